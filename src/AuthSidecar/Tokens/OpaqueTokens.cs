using System.Buffers;
using System.Collections.Concurrent;

namespace AuthSidecar.Tokens;

/// <summary>What issuers have said of tokens that say nothing themselves: facts, each for a minute at most.</summary>
/// <remarks>
/// Whoever comes with a token that is not known waits for its issuer, who is asked once for all who wait; nobody else waits for anybody. What is in use is asked about
/// again in the background, in time, so that an issuer that is slow, or away for a moment, is not noticed; one that is away for longer is, and then nothing of its is accepted.
/// </remarks>
internal sealed partial class OpaqueTokens(IntrospectionClient client, TimeProvider time, ILogger<OpaqueTokens> logger)
{
    /// <summary>How long what an issuer has said counts: for so long may a token live on that was revoked there.</summary>
    public static readonly TimeSpan GoodFor = TimeSpan.FromMinutes(1);

    /// <summary>How old what was said of a token in use may be before its issuer is asked again.</summary>
    public static readonly TimeSpan RenewAfter = TimeSpan.FromSeconds(30);

    /// <summary>Longer ones are nobody's.</summary>
    private const int MaxLength = 1024;

    private const int MaxActive = 10_000;
    private const int MaxRejected = 10_000;

    /// <summary>How many may be waited for: whoever comes then is told to come again.</summary>
    private const int MaxPending = 1_000;

    private const int AtOnce = 16;

    /// <summary>How long anybody waits for an issuer.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(10);

    /// <summary>RFC 6750, section 2.1, but for the padding.</summary>
    private static readonly SearchValues<char> Alphabet = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/");

    private readonly ConcurrentDictionary<(string Issuer, string Token), Fact> _active = new();
    private readonly ConcurrentDictionary<(string Issuer, string Token), Fact> _rejected = new();
    private readonly ConcurrentDictionary<(string Issuer, string Token), Task> _pending = new();
    private readonly SemaphoreSlim _asking = new(AtOnce);
    private long _sweptAtMs;
    private long _loggedAtMs;

    private long NowMs => time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Whether nobody has to be asked before the token can be judged.</summary>
    public bool IsKnown(Secret token, IssuerSet issuers) =>
        issuers.FindOpaque(token.Reveal()) is not { } issuer || !CanBe(token.Reveal()) || FindFact(issuer, token.Reveal(), NowMs) is not null;

    /// <summary>Asks the issuer, if it has to be asked; over when it has answered, or will not in time.</summary>
    public async Task AskAsync(Secret token, IssuerSet issuers)
    {
        if (IsKnown(token, issuers))
        {
            return;
        }

        try
        {
            await Begin(issuers.FindOpaque(token.Reveal())!, token.Reveal()).WaitAsync(Patience, time);
        }
        catch (TimeoutException)
        {
            // It goes on, for those who ask again.
        }
    }

    /// <summary>What is known of it.</summary>
    public TokenResult Find(string token, Issuer issuer, DateTimeOffset now)
    {
        if (!CanBe(token))
        {
            return TokenResult.Reject(token.Length > MaxLength ? TokenError.TooLarge : TokenError.Malformed);
        }

        var nowMs = now.ToUnixTimeMilliseconds();
        if (FindFact(issuer, token, nowMs) is not { } fact)
        {
            return TokenResult.Reject(TokenError.IntrospectionPending);
        }

        if (fact.Result.IsValid && nowMs - fact.SaidAtMs >= RenewAfter.TotalMilliseconds)
        {
            // For those who come after.
            _ = Begin(issuer, token);
        }

        return fact.Result;
    }

    /// <summary>RFC 6750, section 2.1: what a token is made of, and what may therefore be sent to an issuer as one.</summary>
    private static bool CanBe(string token) => token.Length is > 0 and <= MaxLength && token.AsSpan().TrimEnd('=') is var body && body.Length > 0
        && !body.ContainsAnyExcept(Alphabet);

    private Fact? FindFact(Issuer issuer, string token, long nowMs) =>
        (_active.TryGetValue((issuer.Name, token), out var fact) || _rejected.TryGetValue((issuer.Name, token), out fact))
        // One that is configured otherwise by now is another.
        && ReferenceEquals(fact.Issuer, issuer) && nowMs - fact.SaidAtMs is >= 0 and var age && age < GoodFor.TotalMilliseconds
            ? fact
            : null;

    private Task Begin(Issuer issuer, string token)
    {
        var key = (issuer.Name, token);
        if (_pending.TryGetValue(key, out var pending))
        {
            return pending;
        }

        if (_pending.Count >= MaxPending)
        {
            return Task.CompletedTask;
        }

        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        pending = _pending.GetOrAdd(key, begun.Task);
        if (ReferenceEquals(pending, begun.Task))
        {
            // For everybody: the caller who came first may go away.
            _ = RunAsync(issuer, token, begun);
        }

        return pending;
    }

    private async Task RunAsync(Issuer issuer, string token, TaskCompletionSource done)
    {
        var isAsking = await _asking.WaitAsync(Patience);
        try
        {
            if (isAsking)
            {
                Remember(token, new Fact(issuer, await client.AskAsync(token, issuer, time.GetUtcNow() + GoodFor, CancellationToken.None), NowMs));
            }
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            Note(issuer, e);
        }
        finally
        {
            if (isAsking)
            {
                _asking.Release();
            }

            _pending.TryRemove((issuer.Name, token), out _);
            done.SetResult();
        }
    }

    /// <summary>Whoever makes an issuer fail a thousand times fills no disk with it.</summary>
    private void Note(Issuer issuer, Exception e)
    {
        var (now, logged) = (NowMs, Volatile.Read(ref _loggedAtMs));
        if (now - logged >= LogEvery.TotalMilliseconds && Interlocked.CompareExchange(ref _loggedAtMs, now, logged) == logged)
        {
            Log.Failed(logger, issuer.Name, e.Message);
        }
    }

    /// <summary>Those that are refused never push out those that are accepted: anybody can come with as many of them as they like.</summary>
    private void Remember(string token, Fact fact)
    {
        var key = (fact.Issuer.Name, token);
        var (to, from, most) = fact.Result.IsValid ? (_active, _rejected, MaxActive) : (_rejected, _active, MaxRejected);
        if (to.Count >= most)
        {
            Sweep(fact.SaidAtMs);
        }

        if (to.Count < most || to.ContainsKey(key))
        {
            to[key] = fact;
        }

        from.TryRemove(key, out _);
    }

    private void Sweep(long nowMs)
    {
        var swept = Volatile.Read(ref _sweptAtMs);
        if (nowMs - swept < 1_000 || Interlocked.CompareExchange(ref _sweptAtMs, nowMs, swept) != swept)
        {
            return;
        }

        foreach (var facts in new[] { _active, _rejected })
        {
            foreach (var (key, fact) in facts)
            {
                if (nowMs - fact.SaidAtMs >= GoodFor.TotalMilliseconds)
                {
                    facts.TryRemove(key, out _);
                }
            }
        }
    }

    /// <param name="Issuer">Who said it.</param>
    /// <param name="Result">What.</param>
    /// <param name="SaidAtMs">When.</param>
    private sealed record Fact(Issuer Issuer, TokenResult Result, long SaidAtMs);

    private static partial class Log
    {
        [LoggerMessage(70, LogLevel.Warning, "{Issuer} cannot be asked about a token: {Why}", EventName = "IntrospectionFailed")]
        public static partial void Failed(ILogger logger, string issuer, string why);
    }
}
