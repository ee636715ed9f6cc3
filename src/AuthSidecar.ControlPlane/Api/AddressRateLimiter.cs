namespace AuthSidecar.ControlPlane.Api;

/// <summary>Limits the rate of sign-in attempts and of token requests per client address. Accounts have limits of their own.</summary>
/// <remarks>The generic cell rate algorithm (ITU-T I.371): one time per address, and no timer. Each partitioned limiter of the framework
/// fires a timer every 100 ms, also when idle.</remarks>
internal sealed class AddressRateLimiter(AddressOptions options, TimeProvider time)
{
    /// <summary>The most addresses kept. Beyond that, those with the fewest recent attempts are dropped.</summary>
    public const int MaxAddresses = 100_000;

    /// <summary>Where a password is reset: an attempt like a sign-in.</summary>
    public const string ResetPath = "/reset";

    private const int TokensPerAttempt = 20;

    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, TimeSpan> _usedUpTo = new(StringComparer.Ordinal);

    public static void Use(WebApplication app)
    {
        var limits = app.Services.GetRequiredService<AddressRateLimiter>();
        app.Use((context, next) =>
        {
            if (limits.FindWait(context) is not { } wait)
                return next(context);

            context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
            context.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            return Task.CompletedTask;
        });
    }

    /// <summary>The number of addresses kept.</summary>
    internal int Count
    {
        get
        {
            lock (_lock)
            {
                return _usedUpTo.Count;
            }
        }
    }

    /// <summary>Counts an attempt, if it is allowed.</summary>
    /// <param name="key">The kind of attempt and the client address.</param>
    /// <param name="perMinute">The burst size, and the refill per minute.</param>
    /// <returns>The time until the next attempt is allowed; null: this one is allowed.</returns>
    internal TimeSpan? Try(string key, int perMinute)
    {
        // Monotonic: the system clock may be set.
        var (now, each) = (time.GetElapsedTime(0), Window / perMinute);
        lock (_lock)
        {
            var from = _usedUpTo.TryGetValue(key, out var usedUpTo) && usedUpTo > now ? usedUpTo : now;
            var wait = from + each - now - Window;
            if (wait > TimeSpan.Zero)
                return wait;

            if (_usedUpTo.Count >= MaxAddresses && !_usedUpTo.ContainsKey(key))
                Forget(now);

            _usedUpTo[key] = from + each;
            return null;
        }
    }

    private TimeSpan? FindWait(HttpContext context) => (options.AttemptsPerMinute, KindOf(context)) switch
    {
        ( > 0 and var most, Kind.SignIn) => Try($"sign-in {ClientAddress.NetworkOf(context)}", most),
        ( > 0 and var most, Kind.Tokens) => Try($"tokens {ClientAddress.NetworkOf(context)}", most * TokensPerAttempt),
        _ => null,
    };

    /// <summary>Drops addresses without recent attempts, and of the others those with the fewest until half of the maximum is left: an
    /// attacker with many addresses does not reset one at its limit.</summary>
    private void Forget(TimeSpan now)
    {
        foreach (var (key, _) in _usedUpTo.Where(u => u.Value <= now).ToList())
            _usedUpTo.Remove(key);

        foreach (var (key, _) in _usedUpTo.OrderBy(u => u.Value).Take(_usedUpTo.Count - (MaxAddresses / 2)).ToList())
            _usedUpTo.Remove(key);
    }

    private enum Kind
    {
        None,
        SignIn,
        Tokens,
    }

    /// <summary>Whether a request counts as an attempt to sign in or to get a token.</summary>
    public static bool Concerns(HttpContext context) => KindOf(context) != Kind.None;

    private static Kind KindOf(HttpContext context)
    {
        if (context.Listener is not (Listener.Network or Listener.Certificates))
            return Kind.None;

        // As routing reads it: in any case, with or without a slash at its end.
        var path = (context.Request.Path.Value ?? "").TrimEnd('/').ToLowerInvariant();
        // To a provider elsewhere and back again, by whatever method: it is written down.
        return path.StartsWith("/login/", StringComparison.Ordinal) ? Kind.Tokens
            : HttpMethods.IsGet(context.Request.Method) ? Kind.None
            : path is "/login" or "/account" or ResetPath or "/v1/administrators:bootstrap"
                || path.EndsWith("/bootstrapcontrolplane", StringComparison.Ordinal) ? Kind.SignIn
            : path is "/device" || path.StartsWith("/oauth2/", StringComparison.Ordinal) ? Kind.Tokens
            : Kind.None;
    }
}
