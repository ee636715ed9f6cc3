using System.Diagnostics.Metrics;

namespace AuthSidecar.ControlPlane.Telemetry;

/// <summary>Why somebody did not sign in.</summary>
internal enum SignInFailure
{
    /// <summary>No account has the name, which is not logged: it may be a password.</summary>
    UnknownName,
    WrongPassword,
    WrongCode,
    AccountDisabled,

    /// <summary>Throttled: too many recent failures.</summary>
    TooManyAttempts,

    /// <summary>Locked out for unknown browsers: too many consecutive failures.</summary>
    LockedOut,

    /// <summary>The password or the account has changed between the password and the second factor.</summary>
    CredentialsChanged,

    /// <summary>The client closed the connection before the answer.</summary>
    ClientDisconnected,

    /// <summary>The response of an identity provider was refused, or no account is linked with it.</summary>
    IdentityProviderRefused,

    /// <summary>The password reset link is invalid, expired or used.</summary>
    InvalidResetLink,
}

/// <summary>Tells of every authentication, successful, failed or refused, by log events and by counters. Failures of one kind and account
/// are logged one by one up to some a minute, and then by their number: whoever makes them must not fill a disk.</summary>
internal sealed partial class AuthenticationLog : BackgroundService
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "AuthSidecar.ControlPlane";

    /// <summary>The endpoint where clients authenticate.</summary>
    public const string TokenEndpoint = "token";

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    private readonly TimeProvider _time;
    private readonly ILogger<AuthenticationLog> _logger;
    private readonly Counter<long> _signIns;
    private readonly Counter<long> _tokens;
    private readonly Counter<long> _administrators;
    private readonly Signal _noted;
    private readonly LogLimit _limit;

    public AuthenticationLog(IMeterFactory meters, TimeProvider time, ILogger<AuthenticationLog> logger)
    {
        (_time, _logger, _noted, _limit) = (time, logger, new Signal(time), new LogLimit(time));
        var meter = meters.Create(MeterName);
        _signIns = meter.CreateCounter<long>(
            "authsidecar.sign_ins", "{attempt}", "Attempts to sign in, by `outcome` (`success`, `failure`) and `reason`.");
        _tokens = meter.CreateCounter<long>("authsidecar.token_requests", "{request}",
            "Requests at the OAuth 2.0 endpoints, by `endpoint`, `outcome` and `error` (RFC 6749, section 5.2).");
        _administrators = meter.CreateCounter<long>(
            "authsidecar.administrator_authentications", "{request}", "Access tokens of administrators, by `outcome` and `reason`.");
    }

    public void SignedIn(string accountId, string methods, string address, bool isKnown)
    {
        _signIns.Add(1, new("outcome", "success"), new("reason", ""));
        Log.SignedIn(_logger, accountId, methods, address, isKnown);
    }

    /// <param name="accountId">The account; null: the sign-in name is unknown.</param>
    /// <param name="failure">Why.</param>
    /// <param name="address">From where.</param>
    public void SignInFailed(string? accountId, SignInFailure failure, string address)
    {
        _signIns.Add(1, new("outcome", "failure"), new("reason", failure.ToString()));
        if (MayLog($"sign-in {failure}", accountId ?? ""))
            Log.SignInFailed(_logger, accountId, failure, address);
    }

    /// <summary>An answer of an OAuth 2.0 endpoint.</summary>
    /// <param name="endpoint">Which.</param>
    /// <param name="clientId">Who asked, as far as they said.</param>
    /// <param name="grantType">For what.</param>
    /// <param name="error">The error; null: it succeeded.</param>
    /// <param name="description">Why.</param>
    /// <param name="address">From where.</param>
    public void TokenRequest(string endpoint, string? clientId, string? grantType, string? error, string? description, string address)
    {
        _tokens.Add(1, new("endpoint", endpoint), new("outcome", error is null ? "success" : "failure"), new("error", error ?? ""));
        if (error is null)
        {
            // What takes no credentials takes no log without end either.
            if (endpoint != TokenEndpoint && !MayLog($"{endpoint} succeeded", address))
                return;

            Log.TokenRequestSucceeded(_logger, endpoint, clientId, grantType, address);
        }
        else if (MayLog($"{endpoint} {error}", address))
        {
            Log.TokenRequestFailed(_logger, endpoint, clientId, grantType, error, description, address);
        }
    }

    /// <summary>An access token of an administrator that is not accepted, or the client certificate of one.</summary>
    public void AdministratorRefused(string reason, string address)
    {
        _administrators.Add(1, new("outcome", "failure"), new("reason", reason));
        if (MayLog("administrator", address))
            Log.AdministratorRefused(_logger, reason, address);
    }

    /// <summary>An enrolment that is refused.</summary>
    /// <param name="name">The name of the sidecar.</param>
    /// <param name="reason">The reason, of a fixed set.</param>
    /// <param name="address">From where.</param>
    public void EnrolmentRefused(string name, string by, string reason, string why, string address)
    {
        if (MayLog($"enrolment {reason}", address))
            Log.EnrolmentRefused(_logger, name, by, why, address);
    }

    public void AdministratorAccepted() => _administrators.Add(1, new("outcome", "success"), new("reason", ""));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await _noted.WaitAsync(most: null, stoppingToken);
                await Task.Delay(Every, _time, stoppingToken);
                TellSuppressed();
                if (_limit.HasAny)
                    _noted.Give();
            }
        }
        catch (OperationCanceledException)
        {
            TellSuppressed();
        }
    }

    /// <summary>Whether this one is logged by itself.</summary>
    private bool MayLog(string kind, string subject)
    {
        _noted.Give();
        return _limit.Take(kind, subject);
    }

    private void TellSuppressed()
    {
        foreach (var (kind, subject, count) in _limit.TakeSuppressed())
            Log.Suppressed(_logger, count, kind, subject);
    }

    private static partial class Log
    {
        [LoggerMessage(62, LogLevel.Warning, "enrolment of {Name} by {By} refused: {Refusal} (from {Address})",
            EventName = "EnrolmentRefused")]
        public static partial void EnrolmentRefused(ILogger logger, string name, string by, string refusal, string address);

        [LoggerMessage(50, LogLevel.Information,
            "sign-in of account {AccountId} succeeded ({Methods}) from {Address}, known browser: {IsKnown}", EventName = "SignInSucceeded")]
        public static partial void SignedIn(ILogger logger, string accountId, string methods, string address, bool isKnown);

        [LoggerMessage(51, LogLevel.Warning, "sign-in of account {AccountId} failed from {Address}: {Reason}", EventName = "SignInFailed")]
        public static partial void SignInFailed(ILogger logger, string? accountId, SignInFailure reason, string address);

        [LoggerMessage(52, LogLevel.Information, "{Endpoint} request of client {ClientId} succeeded ({GrantType}) from {Address}",
            EventName = "TokenRequestSucceeded")]
        public static partial void TokenRequestSucceeded(
            ILogger logger, string endpoint, string? clientId, string? grantType, string address);

        [LoggerMessage(53, LogLevel.Warning,
            "{Endpoint} request of client {ClientId} failed ({GrantType}) from {Address}: {Error}: {Description}",
            EventName = "TokenRequestFailed")]
        public static partial void TokenRequestFailed(
            ILogger logger, string endpoint, string? clientId, string? grantType, string error, string? description, string address);

        [LoggerMessage(54, LogLevel.Warning, "administration request refused from {Address}: {Reason}", EventName = "AdministratorRefused")]
        public static partial void AdministratorRefused(ILogger logger, string reason, string address);

        [LoggerMessage(55, LogLevel.Warning, "{Count} more failed authentications within a minute: {Kind} {Subject}",
            EventName = "AuthenticationFailuresSuppressed")]
        public static partial void Suppressed(ILogger logger, int count, string kind, string subject);
    }
}
