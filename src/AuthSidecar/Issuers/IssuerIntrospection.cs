using Microsoft.Extensions.Caching.Memory;

namespace AuthSidecar.Issuers;

/// <summary>What an issuer has answered, and when.</summary>
/// <param name="Result">What the answer makes of the token.</param>
/// <param name="AnsweredAt">When it came.</param>
internal sealed record IntrospectionAnswer(TokenResult Result, DateTimeOffset AnsweredAt);

/// <summary>Introspection (RFC 7662) at one issuer: its answers, and the requests that are under way, one for each token.</summary>
internal sealed partial class IssuerIntrospection(Issuer issuer, IntrospectionClient client, TimeProvider time, ILogger logger)
{
    /// <summary>How long an answer counts: for so long may a token live on that was revoked at its issuer.</summary>
    public static readonly TimeSpan AnswerLifetime = TimeSpan.FromMinutes(1);

    /// <summary>How long anybody waits for an issuer.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private const int MaxAnswers = 10_000;

    /// <summary>How many may be waited for: whoever comes then is told to come again.</summary>
    private const int MaxWaiting = 1_000;

    private const int MaxConcurrency = 16;

    /// <summary>How much of a full cache makes room at once.</summary>
    private const double Compaction = 0.05;

    private static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(10);

    // Those that are refused never push out those that are accepted: anybody can come with as many of them as they like.
    private readonly MemoryCache _accepted = CreateCache(time);
    private readonly MemoryCache _refused = CreateCache(time);
    private readonly ConcurrentDictionary<string, Task> _introspections = new(StringComparer.Ordinal);
    // What is in use comes before what anybody may make up: neither waits for the other.
    private readonly SemaphoreSlim _slots = new(MaxConcurrency);
    private readonly SemaphoreSlim _renewalSlots = new(MaxConcurrency);
    private readonly LogPace _pace = new(time, LogEvery);
    private int _waiting;

    /// <summary>The answer about a token, if it still counts then.</summary>
    public IntrospectionAnswer? Find(string token, DateTimeOffset at) =>
        (_accepted.TryGetValue(token, out IntrospectionAnswer? answer) || _refused.TryGetValue(token, out answer))
        && at - answer!.AnsweredAt is var age && age >= TimeSpan.Zero && age < AnswerLifetime ? answer : null;

    /// <summary>Asks the issuer, or waits for who is asking; returns at once where too many are waiting.</summary>
    public Task AskAsync(string token)
    {
        if (_introspections.TryGetValue(token, out var pending))
            return pending;

        if (Interlocked.Increment(ref _waiting) > MaxWaiting)
        {
            Interlocked.Decrement(ref _waiting);
            return Task.CompletedTask;
        }

        return StartAsync(token, _slots, () => Interlocked.Decrement(ref _waiting));
    }

    /// <summary>Asks the issuer again, in the background.</summary>
    public void Renew(string token)
    {
        if (!_introspections.ContainsKey(token))
            _ = StartAsync(token, _renewalSlots, () => { });
    }

    /// <summary>Asks, unless somebody is asking.</summary>
    private Task StartAsync(string token, SemaphoreSlim slots, Action end)
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var pending = _introspections.GetOrAdd(token, started.Task);
        if (ReferenceEquals(pending, started.Task))
        {
            // For everybody: the caller who came first may go away.
            _ = RunAsync(token, slots, end, started);
        }
        else
        {
            end();
        }

        return pending;
    }

    private async Task RunAsync(string token, SemaphoreSlim slots, Action end, TaskCompletionSource done)
    {
        var hasSlot = await slots.WaitAsync(Timeout);
        try
        {
            if (hasSlot)
            {
                var result = await client.AskAsync(token, issuer, time.GetUtcNow() + AnswerLifetime, CancellationToken.None);
                Keep(token, new IntrospectionAnswer(result, time.GetUtcNow()));
            }
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            // Whoever makes an issuer fail a thousand times fills no disk with it.
            if (_pace.TryTake(out _))
                Log.Failed(logger, issuer.Name, e.Message);
        }
        finally
        {
            if (hasSlot)
                slots.Release();

            _introspections.TryRemove(token, out _);
            end();
            done.SetResult();
        }
    }

    private void Keep(string token, IntrospectionAnswer answer)
    {
        var (to, from) = answer.Result.IsValid ? (_accepted, _refused) : (_refused, _accepted);
        if (to.Count >= MaxAnswers)
        {
            // A full cache would not take this one. Whose answer is dropped asks once more.
            to.Compact(Compaction);
        }

        to.Set(token, answer, new MemoryCacheEntryOptions { Size = 1, AbsoluteExpirationRelativeToNow = AnswerLifetime });
        from.Remove(token);
    }

    private static MemoryCache CreateCache(TimeProvider time) => new(
        new MemoryCacheOptions { SizeLimit = MaxAnswers, Clock = new MemoryCacheClock(time) });

    private static partial class Log
    {
        [LoggerMessage(70, LogLevel.Warning, "token introspection at {Issuer} failed: {Error}", EventName = "IntrospectionFailed")]
        public static partial void Failed(ILogger logger, string issuer, string error);
    }
}
