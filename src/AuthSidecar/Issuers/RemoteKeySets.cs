using AuthSidecar.State;

namespace AuthSidecar.Issuers;

/// <summary>The keys of issuers who publish them at an address. Fetched in the background alone: no request ever waits for one, and a token
/// with a key that is not known is refused at once.</summary>
/// <remarks>What is known counts on while nothing newer is to be had, also after a restart, for a day. A key that is not known asks for the
/// set to be fetched again: once for all who ask, and not before the cooldown is over. Those who know their keys never come this
/// way.</remarks>
internal sealed partial class RemoteKeySets(RemoteKeySetOptions options, KeySetClient client, StateFolder state, TimeProvider time,
    ILogger<RemoteKeySets> logger) : BackgroundService
{
    private static readonly StrictJsonFiles Json = new(StoredKeySetJson.Default);

    private const int MaxFaultsLogged = 3;

    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<KeySetSource, RemoteKeySet> _sources = [];
    private readonly Signal _wanted = new(time);
    private IssuerSet? _warnedOf;

    /// <summary>Raised when keys are others than they were: whoever has issuers asks for them again.</summary>
    public event Action? Changed;

    /// <summary>The issuers with the keys that they have now. An issuer whose keys are what they were is the same object as
    /// before.</summary>
    public IssuerSet Complete(IssuerSet issuers)
    {
        if (issuers.Warnings.Count > 0 && !ReferenceEquals(Interlocked.Exchange(ref _warnedOf, issuers), issuers))
            Log.FileKeysIgnored(logger, Describe(issuers.Warnings));

        if (issuers.All.All(i => i.KeySource is null))
            return issuers;

        var sources = issuers.All.Select(i => i.KeySource).OfType<KeySetSource>().ToHashSet();
        foreach (var gone in _sources.Keys.Where(s => !sources.Contains(s)))
            _sources.TryRemove(gone, out _);

        var completed = new IssuerSet([.. issuers.All.Select(
            issuer => issuer.KeySource is { } source ? _sources.GetOrAdd(source, Open).Complete(issuer) : issuer)]);
        // Once they are there: whoever waits looks at them.
        _wanted.Give();
        return completed;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            foreach (var source in _sources.Values.Where(s => s.IsDue(time.GetUtcNow(), options)))
                await FetchAsync(source, stoppingToken);

            foreach (var source in _sources.Values.Where(s => s.TryForget(time.GetUtcNow() - options.GoodFor)))
            {
                Log.Forgotten(logger, source.Url, options.GoodFor);
                Changed?.Invoke();
            }

            // Without any, until there is one.
            await _wanted.WaitAsync(_sources.IsEmpty ? null : LookEvery, stoppingToken);
        }
    }

    private async Task FetchAsync(RemoteKeySet source, CancellationToken stopping)
    {
        source.Attempted(time.GetUtcNow());
        try
        {
            var (body, etag) = await client.FetchAsync(source.Source, source.ETag, stopping);
            var taken = source.TryTake(body, etag, time.GetUtcNow(), out var faults);
            if (taken)
            {
                Save(source);
                Changed?.Invoke();
            }

            if (taken && source.Keys == 0)
                Log.NoKeys(logger, source.Url);

            if (faults.Count > 0)
            {
                if (taken)
                    Log.PassedOver(logger, source.Url, Describe(faults));
                else
                    Log.Refused(logger, source.Url, Describe(faults), source.Keys);
            }
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException
            && !stopping.IsCancellationRequested)
        {
            Log.Failed(logger, source.Url, e.Message, source.Keys);
        }
    }

    private static string Describe(IReadOnlyList<Fault> faults)
    {
        var shown = string.Join("; ", faults.Take(MaxFaultsLogged).Select(f => f.Message));
        return faults.Count > MaxFaultsLogged ? $"{shown}; and {faults.Count - MaxFaultsLogged} more" : shown;
    }

    private RemoteKeySet Open(KeySetSource from)
    {
        var source = new RemoteKeySet(from, () => Want(from));
        var path = PathOf(from);
        if (File.Exists(path) && Json.Read<StoredKeySet>(path, File.ReadAllBytes(path), []) is { } stored
            && stored.Url == from.Url.AbsoluteUri
            && stored.FetchedAt > time.GetUtcNow() - options.GoodFor)
        {
            source.TryTake(Encoding.UTF8.GetBytes(stored.Jwks), stored.ETag, stored.FetchedAt, out _);
        }

        return source;
    }

    /// <summary>Saves a key set for starts without its issuer. The keys are good without it.</summary>
    private void Save(RemoteKeySet source)
    {
        try
        {
            StateFolder.CreateOwned(state.KeySets);
            StateFolder.WriteSecret(PathOf(source.Source), Json.Write(new StoredKeySet
            {
                Url = source.Url.AbsoluteUri,
                ETag = source.ETag,
                FetchedAt = source.FetchedAt,
                Jwks = Encoding.UTF8.GetString(source.Text),
            }));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.NotSaved(logger, source.Url, e.Message);
        }
    }

    private string PathOf(KeySetSource source) => Path.Combine(state.KeySets, Convert.ToHexStringLower(SHA256.HashData(
        Encoding.UTF8.GetBytes(source.IsDiscovered ? $"discovery {source.Url.AbsoluteUri}" : source.Url.AbsoluteUri))) + ".json");

    /// <summary>Called for every token with a key that is not known: there may be a million of them.</summary>
    private void Want(KeySetSource from)
    {
        if (_sources.TryGetValue(from, out var source) && source.TryWant(time.GetUtcNow(), options.Cooldown))
            _wanted.Give();
    }

    private static partial class Log
    {
        [LoggerMessage(60, LogLevel.Warning, "failed to fetch key set {Url}: {Error}; {Keys} cached keys in use",
            EventName = "KeySetFailed")]
        public static partial void Failed(ILogger logger, Uri url, string error, int keys);

        [LoggerMessage(61, LogLevel.Warning, "invalid key set {Url}: {Error}; {Keys} cached keys in use",
            EventName = "KeySetRefused")]
        public static partial void Refused(ILogger logger, Uri url, string error, int keys);

        [LoggerMessage(62, LogLevel.Error, "cached keys of {Url} expired: no valid key set was fetched for {GoodFor}",
            EventName = "KeySetExpired")]
        public static partial void Forgotten(ILogger logger, Uri url, TimeSpan goodFor);

        [LoggerMessage(63, LogLevel.Warning, "key set {Url}: ignored unusable keys: {Error}", EventName = "KeysIgnored")]
        public static partial void PassedOver(ILogger logger, Uri url, string error);

        [LoggerMessage(67, LogLevel.Warning, "key sets of the bundle: ignored unusable keys: {Error}", EventName = "FileKeysIgnored")]
        public static partial void FileKeysIgnored(ILogger logger, string error);

        [LoggerMessage(64, LogLevel.Error,
            "key set {Url} has no usable key: all tokens signed by its issuer are rejected until it publishes one",
            EventName = "NoUsableKeys")]
        public static partial void NoKeys(ILogger logger, Uri url);

        [LoggerMessage(66, LogLevel.Warning, "failed to save key set {Url}: {Error}; a restart needs the issuer to be reachable",
            EventName = "KeySetSaveFailed")]
        public static partial void NotSaved(ILogger logger, Uri url, string error);
    }
}
