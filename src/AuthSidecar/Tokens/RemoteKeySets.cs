using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using AuthSidecar.Cedar;
using AuthSidecar.Common;
using AuthSidecar.Hosting;
using AuthSidecar.State;

namespace AuthSidecar.Tokens;

/// <summary>
/// The keys of issuers who publish them at an address. Fetched in the background alone: no request ever waits for one, and a token with a key that is not
/// known is refused at once.
/// </summary>
/// <remarks>
/// What is known counts on while nothing newer is to be had, also after a restart, for a day. A key that is not known asks for the set to be fetched again: once for all
/// who ask, and not before the cooldown is over. Those who know their keys never come this way.
/// </remarks>
internal sealed partial class RemoteKeySets(RemoteKeySetOptions options, KeySetClient client, StateFolder state, TimeProvider time, ILogger<RemoteKeySets> logger) : BackgroundService
{
    private const int MaxFaultsLogged = 3;

    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, Source> _sources = new(StringComparer.Ordinal);
    private readonly Signal _wanted = new(time);

    /// <summary>Raised when keys are others than they were: whoever has issuers asks for them again.</summary>
    public event Action? Changed;

    /// <summary>The issuers with the keys that they have now. An issuer whose keys are what they were is the same object as before.</summary>
    public IssuerSet Complete(IssuerSet issuers)
    {
        if (issuers.All.All(i => i.KeySetUrl is null))
        {
            return issuers;
        }

        var urls = issuers.All.Select(i => i.KeySetUrl?.AbsoluteUri).ToHashSet();
        foreach (var gone in _sources.Keys.Where(u => !urls.Contains(u)))
        {
            _sources.TryRemove(gone, out _);
        }

        var completed = new IssuerSet([.. issuers.All.Select(issuer => issuer.KeySetUrl is { } url ? _sources.GetOrAdd(url.AbsoluteUri, _ => Open(url)).Complete(issuer) : issuer)]);
        // Once they are there: whoever waits looks at them.
        _wanted.Give();
        return completed;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            foreach (var source in _sources.Values.Where(s => s.IsDue(time.GetUtcNow(), options)))
            {
                await FetchAsync(source, stoppingToken);
            }

            foreach (var source in _sources.Values.Where(s => s.TryForget(time.GetUtcNow() - options.GoodFor)))
            {
                Log.Forgotten(logger, source.Url, options.GoodFor);
                Changed?.Invoke();
            }

            // Without any, until there is one.
            await _wanted.WaitAsync(_sources.IsEmpty ? null : LookEvery, stoppingToken);
        }
    }

    private async Task FetchAsync(Source source, CancellationToken stopping)
    {
        source.Attempted(time.GetUtcNow());
        try
        {
            var (body, etag) = await client.FetchAsync(source.Url, source.ETag, stopping);
            var taken = source.TryTake(body, etag, time.GetUtcNow(), out var faults);
            if (taken)
            {
                Keep(source);
                Changed?.Invoke();
            }

            if (taken && source.Keys == 0)
            {
                Log.NoKeys(logger, source.Url);
            }

            if (faults.Count > 0)
            {
                var shown = string.Join("; ", faults.Take(MaxFaultsLogged).Select(f => f.Message));
                (taken ? (Action<ILogger, Uri, string>)Log.PassedOver : Log.Refused)(logger, source.Url, faults.Count > MaxFaultsLogged ? $"{shown}; and {faults.Count - MaxFaultsLogged} more" : shown);
            }
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException && !stopping.IsCancellationRequested)
        {
            Log.Failed(logger, source.Url, e.Message);
        }
    }

    private Source Open(Uri url)
    {
        var source = new Source(url, () => Want(url));
        var path = PathOf(url);
        if (File.Exists(path) && SidecarFile.Read<StoredKeySet>(path, File.ReadAllBytes(path), []) is { } stored && stored.Url == url.AbsoluteUri && stored.FetchedAt > time.GetUtcNow() - options.GoodFor)
        {
            source.TryTake(Encoding.UTF8.GetBytes(stored.Jwks), stored.ETag, stored.FetchedAt, out _);
        }

        return source;
    }

    private void Keep(Source source)
    {
        StateFolder.CreateOwned(state.KeySets);
        StateFolder.WriteSecret(PathOf(source.Url), SidecarFile.Write(new StoredKeySet { Url = source.Url.AbsoluteUri, ETag = source.ETag, FetchedAt = source.FetchedAt, Jwks = Encoding.UTF8.GetString(source.Text) }));
    }

    private string PathOf(Uri url) => Path.Combine(state.KeySets, $"{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(url.AbsoluteUri)))}.json");

    /// <summary>Called for every token with a key that is not known: there may be a million of them.</summary>
    private void Want(Uri url)
    {
        if (_sources.TryGetValue(url.AbsoluteUri, out var source) && source.TryWant(time.GetUtcNow(), options.Cooldown))
        {
            _wanted.Give();
        }
    }

    /// <summary>One key set: what there is of it, and when it was asked for.</summary>
    private sealed class Source(Uri url, Action want)
    {
        private readonly Lock _completing = new();
        private FrozenDictionary<string, VerificationKey> _keys = FrozenDictionary<string, VerificationKey>.Empty;
        private ConditionalWeakTable<Issuer, Issuer> _completed = [];
        private long _attemptedAtMs;
        private int _isWanted;

        public Uri Url => url;

        public string? ETag { get; private set; }

        public byte[] Text { get; private set; } = [];

        public DateTimeOffset FetchedAt { get; private set; }

        public Issuer Complete(Issuer issuer)
        {
            lock (_completing)
            {
                return _completed.GetValue(issuer, i => i with { Keys = _keys, LookForKeys = want });
            }
        }

        public bool IsDue(DateTimeOffset now, RemoteKeySetOptions options)
        {
            var sinceAttempt = now.ToUnixTimeMilliseconds() - Volatile.Read(ref _attemptedAtMs);
            return sinceAttempt >= options.RefreshEvery.TotalMilliseconds
                || ((Volatile.Read(ref _isWanted) == 1 || Text.Length == 0) && sinceAttempt >= options.Cooldown.TotalMilliseconds);
        }

        public void Attempted(DateTimeOffset now)
        {
            Volatile.Write(ref _attemptedAtMs, now.ToUnixTimeMilliseconds());
            Volatile.Write(ref _isWanted, 0);
        }

        /// <summary>Whether this is the first to ask since it may be fetched again.</summary>
        public bool TryWant(DateTimeOffset now, TimeSpan cooldown) =>
            now.ToUnixTimeMilliseconds() - Volatile.Read(ref _attemptedAtMs) >= cooldown.TotalMilliseconds && Interlocked.Exchange(ref _isWanted, 1) == 0;

        public int Keys => _keys.Count;

        /// <summary>Takes what was fetched; false: it is what it was, or no key set. With its faults, or what was passed over in it.</summary>
        public bool TryTake(byte[]? body, string? etag, DateTimeOffset now, out IReadOnlyList<Fault> faults)
        {
            faults = [];
            if (body is null || body.AsSpan().SequenceEqual(Text))
            {
                (FetchedAt, ETag) = (now, etag);
                return false;
            }

            var (wrong, passedOver) = (new List<Fault>(), new List<Fault>());
            var keys = KeySetReader.ReadPublished(url.AbsoluteUri, body, wrong, passedOver);
            if (wrong.Count > 0)
            {
                faults = wrong;
                return false;
            }

            faults = passedOver;
            (Text, ETag, FetchedAt) = (body, etag, now);
            Exchange(keys);
            return true;
        }

        public bool TryForget(DateTimeOffset before)
        {
            if (Text.Length == 0 || FetchedAt > before)
            {
                return false;
            }

            (Text, ETag) = ([], null);
            Exchange(FrozenDictionary<string, VerificationKey>.Empty);
            return true;
        }

        // The keys of before are not disposed of: somebody may be verifying with them at this moment.
        private void Exchange(FrozenDictionary<string, VerificationKey> keys)
        {
            lock (_completing)
            {
                (_keys, _completed) = (keys, []);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(60, LogLevel.Warning, "failed to fetch key set {Url}, using cached keys: {Why}", EventName = "KeySetFailed")]
        public static partial void Failed(ILogger logger, Uri url, string why);

        [LoggerMessage(61, LogLevel.Warning, "invalid key set {Url}, using cached keys: {Why}", EventName = "KeySetRefused")]
        public static partial void Refused(ILogger logger, Uri url, string why);

        [LoggerMessage(62, LogLevel.Error, "cached keys of {Url} expired: no valid key set was fetched for {GoodFor}", EventName = "KeySetExpired")]
        public static partial void Forgotten(ILogger logger, Uri url, TimeSpan goodFor);

        [LoggerMessage(63, LogLevel.Warning, "key set {Url}: ignored unusable keys: {Why}", EventName = "KeysIgnored")]
        public static partial void PassedOver(ILogger logger, Uri url, string why);

        [LoggerMessage(64, LogLevel.Error, "key set {Url} has no usable key: all tokens signed by its issuer are rejected until it publishes one", EventName = "NoUsableKeys")]
        public static partial void NoKeys(ILogger logger, Uri url);
    }
}

/// <summary>A key set as it is kept for the next start.</summary>
internal sealed record StoredKeySet
{
    public required string Url { get; set; }

    public string? ETag { get; set; }

    public required DateTimeOffset FetchedAt { get; set; }

    public required string Jwks { get; set; }
}
