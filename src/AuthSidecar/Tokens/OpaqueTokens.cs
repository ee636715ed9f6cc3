using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

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

    /// <summary>How long anybody waits for an issuer.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Longer ones are nobody's.</summary>
    private const int MaxLength = 1024;

    /// <summary>RFC 6750, section 2.1, but for the padding.</summary>
    private static readonly SearchValues<char> Alphabet = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/");

    /// <summary>Each issuer's by itself: one that is slow keeps no other's waiting, and one that is configured otherwise by now is another.</summary>
    private readonly ConditionalWeakTable<Issuer, Desk> _desks = [];

    private DateTimeOffset Now => time.GetUtcNow();

    /// <summary>Whether nobody has to be asked before the token can be judged, now and while somebody waits for others.</summary>
    public bool IsKnown(Secret token, IssuerSet issuers) =>
        issuers.FindOpaque(token.Reveal()) is not { } issuer || !CanBe(token.Reveal()) || DeskOf(issuer).Find(token.Reveal(), Now + Patience) is not null;

    /// <summary>Asks the issuer, if it has to be asked; over when it has answered, or will not in time.</summary>
    public async Task AskAsync(Secret token, IssuerSet issuers)
    {
        if (IsKnown(token, issuers))
        {
            return;
        }

        try
        {
            await DeskOf(issuers.FindOpaque(token.Reveal())!).AskAsync(token.Reveal()).WaitAsync(Patience, time);
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

        var desk = DeskOf(issuer);
        if (desk.Find(token, now) is not { } fact)
        {
            return TokenResult.Reject(TokenError.IntrospectionPending);
        }

        if (fact.Result.IsValid && now - fact.SaidAt >= RenewAfter)
        {
            // For those who come after.
            desk.Renew(token);
        }

        return fact.Result;
    }

    /// <summary>What a token is made of, and what may therefore be sent to an issuer as one.</summary>
    private static bool CanBe(string token) =>
        token.Length is > 0 and <= MaxLength && token.AsSpan().TrimEnd('=') is { Length: > 0 } body && !body.ContainsAnyExcept(Alphabet);

    private Desk DeskOf(Issuer issuer) => _desks.GetValue(issuer, i => new Desk(i, client, time, logger));

    /// <param name="Result">What was said.</param>
    /// <param name="SaidAt">When.</param>
    private sealed record Fact(TokenResult Result, DateTimeOffset SaidAt);

    /// <summary>One issuer: what it has said, and what it is being asked.</summary>
    private sealed class Desk(Issuer issuer, IntrospectionClient client, TimeProvider time, ILogger logger)
    {
        private const int MaxFacts = 10_000;

        /// <summary>How many may be waited for: whoever comes then is told to come again.</summary>
        private const int MaxWaiting = 1_000;

        private const int AtOnce = 16;

        private static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(10);
        private static readonly TimeSpan SweepEvery = TimeSpan.FromSeconds(1);

        private readonly ConcurrentDictionary<string, Fact> _active = new(StringComparer.Ordinal);
        private readonly ConcurrentDictionary<string, Fact> _refused = new(StringComparer.Ordinal);
        private readonly ConcurrentDictionary<string, Task> _pending = new(StringComparer.Ordinal);
        // What is in use comes before what anybody may make up: neither waits for the other.
        private readonly SemaphoreSlim _asking = new(AtOnce);
        private readonly SemaphoreSlim _renewing = new(AtOnce);
        private int _waiting;
        private long _sweptAt;
        private long _loggedAt;

        /// <summary>What was said of a token, if it still counts then.</summary>
        public Fact? Find(string token, DateTimeOffset at) =>
            (_active.TryGetValue(token, out var fact) || _refused.TryGetValue(token, out fact)) && at - fact.SaidAt is var age && age >= TimeSpan.Zero && age < GoodFor ? fact : null;

        public Task AskAsync(string token)
        {
            if (_pending.TryGetValue(token, out var pending))
            {
                return pending;
            }

            if (Interlocked.Increment(ref _waiting) > MaxWaiting)
            {
                Interlocked.Decrement(ref _waiting);
                return Task.CompletedTask;
            }

            return Begin(token, _asking, () => Interlocked.Decrement(ref _waiting));
        }

        public void Renew(string token)
        {
            if (!_pending.ContainsKey(token))
            {
                _ = Begin(token, _renewing, () => { });
            }
        }

        /// <summary>Asks, unless somebody is asking.</summary>
        private Task Begin(string token, SemaphoreSlim places, Action end)
        {
            var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var pending = _pending.GetOrAdd(token, begun.Task);
            if (ReferenceEquals(pending, begun.Task))
            {
                // For everybody: the caller who came first may go away.
                _ = RunAsync(token, places, end, begun);
            }
            else
            {
                end();
            }

            return pending;
        }

        private async Task RunAsync(string token, SemaphoreSlim places, Action end, TaskCompletionSource done)
        {
            var isAsking = await places.WaitAsync(Patience);
            try
            {
                if (isAsking)
                {
                    Remember(token, new Fact(await client.AskAsync(token, issuer, time.GetUtcNow() + GoodFor, CancellationToken.None), time.GetUtcNow()));
                }
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
            {
                // Whoever makes an issuer fail a thousand times fills no disk with it.
                if (IsTime(ref _loggedAt, LogEvery))
                {
                    Log.Failed(logger, issuer.Name, e.Message);
                }
            }
            finally
            {
                if (isAsking)
                {
                    places.Release();
                }

                _pending.TryRemove(token, out _);
                end();
                done.SetResult();
            }
        }

        /// <summary>Those that are refused never push out those that are accepted: anybody can come with as many of them as they like.</summary>
        private void Remember(string token, Fact fact)
        {
            var (to, from) = fact.Result.IsValid ? (_active, _refused) : (_refused, _active);
            if (to.Count >= MaxFacts && IsTime(ref _sweptAt, SweepEvery))
            {
                Sweep(to, fact.SaidAt);
            }

            if (to.Count >= MaxFacts && to.FirstOrDefault() is { Key: { } another })
            {
                // Whoever it is asks once more.
                to.TryRemove(another, out _);
            }

            to[token] = fact;
            from.TryRemove(token, out _);
        }

        private static void Sweep(ConcurrentDictionary<string, Fact> facts, DateTimeOffset now)
        {
            foreach (var (token, fact) in facts)
            {
                if (now - fact.SaidAt >= GoodFor)
                {
                    facts.TryRemove(token, out _);
                }
            }
        }

        /// <summary>For one of all who ask within a while.</summary>
        private bool IsTime(ref long last, TimeSpan every)
        {
            var (now, before) = (time.GetUtcNow().ToUnixTimeMilliseconds(), Volatile.Read(ref last));
            return now - before >= every.TotalMilliseconds && Interlocked.CompareExchange(ref last, now, before) == before;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(70, LogLevel.Warning, "{Issuer} cannot be asked about a token: {Why}", EventName = "IntrospectionFailed")]
        public static partial void Failed(ILogger logger, string issuer, string why);
    }
}
