using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using AuthSidecar.Cedar;
using Microsoft.Win32.SafeHandles;

namespace AuthSidecar.Mfa;

/// <summary>How often codes may be wrong.</summary>
internal sealed record AttemptLimits
{
    /// <summary>Wrong codes in a row before a factor is locked.</summary>
    public int PerFactor { get; init; } = 5;

    /// <summary>Wrong codes in a row, over all of a subject's factors, before the account is locked.</summary>
    public int PerAccount { get; init; } = 10;

    /// <summary>How long the first lock lasts; each further one lasts twice as long.</summary>
    public TimeSpan FirstLock { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>No lock lasts longer, or anyone could lock anyone out for good.</summary>
    public TimeSpan LongestLock { get; init; } = TimeSpan.FromHours(24);
}

/// <param name="IsLocked">Whether the code must not even be looked at.</param>
/// <param name="AttemptsLeft">How many more wrong codes there may be.</param>
/// <param name="LockedUntil">Until when it is, or is going to be if this code is wrong too, locked.</param>
internal readonly record struct Attempt(bool IsLocked, int AttemptsLeft, DateTimeOffset? LockedUntil);

/// <summary>
/// Which codes are spent, and how many were wrong: the local store of a sidecar on its own. A journal on disk; every change is on disk
/// before it counts.
/// </summary>
/// <remarks>
/// One process at a time owns the file. A line is the whole state of one counter; the last line wins. A torn last line is what a crash
/// leaves of a change that nobody was told about, and is dropped; damage anywhere else stops the sidecar from starting, for a lost line
/// might be a code that could then be used again.
/// </remarks>
internal sealed class ClaimStore : IDisposable
{
    private const long CompactAboveBytes = 4 * 1024 * 1024;
    private const string AccountWide = "";

    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<FactorKey, CounterState> _states = new();
    private readonly string _path;
    private SafeFileHandle _file;
    private long _length;
    private long _compactAboveBytes = CompactAboveBytes;

    private ClaimStore(string path, SafeFileHandle file, AttemptLimits limits)
    {
        (_path, _file, Limits) = (path, file, limits);
    }

    public AttemptLimits Limits { get; }

    /// <summary>Opens the store, or makes an empty one.</summary>
    /// <exception cref="IOException">Another process has it, or the disk fails.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static ClaimStore Open(string path, AttemptLimits limits)
    {
        var store = new ClaimStore(path, OpenExclusively(path), limits);
        try
        {
            store.Load();
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Counts an attempt before its code is compared, and commits the count on its own: a crash, a cancelled call or a thousand calls at
    /// once leave no attempt uncounted. A claim that succeeds gives it back.
    /// </summary>
    public Attempt BeginAttempt(FactorKey factor, DateTimeOffset now)
    {
        lock (_lock)
        {
            var account = Find(factor with { FactorId = AccountWide });
            var own = Find(factor);
            if (LatestLock(account, own) is { } lockedUntil && lockedUntil > now)
            {
                return new Attempt(true, 0, lockedUntil);
            }

            account = Failed(account, Limits.PerAccount, now);
            own = Failed(own, Limits.PerFactor, now);
            Commit([account, own]);
            var left = Math.Min(AttemptsLeft(account, Limits.PerAccount), AttemptsLeft(own, Limits.PerFactor));
            return new Attempt(false, left, LatestLock(account, own));
        }
    }

    /// <summary>
    /// Spends a time step: once, and never again it or an earlier one. On success the counts of wrong codes start anew.
    /// </summary>
    public bool TryClaim(FactorKey factor, long step)
    {
        lock (_lock)
        {
            var own = Find(factor);
            if (own.LastStep >= step)
            {
                return false;
            }

            CommitSuccess(factor, own with { LastStep = step });
            return true;
        }
    }

    /// <summary>Spends a code that is known by its hash.</summary>
    public bool TryClaim(FactorKey factor, byte[] hash)
    {
        lock (_lock)
        {
            var own = Find(factor);
            var name = Convert.ToBase64String(hash);
            if (own.Used.Contains(name, StringComparer.Ordinal))
            {
                return false;
            }

            CommitSuccess(factor, own with { Used = [.. own.Used, name] });
            return true;
        }
    }

    /// <summary>How many codes of the subject were wrong since the last right one.</summary>
    public int FailuresOf(EntityUid subject) => Find(new FactorKey(subject, AccountWide)).Failures;

    private CounterState Find(FactorKey key) =>
        _states.GetValueOrDefault(key) ?? new CounterState { Type = key.Subject.Type, Id = key.Subject.Id, Factor = key.FactorId };

    private static DateTimeOffset? LatestLock(CounterState a, CounterState b)
    {
        var latest = Math.Max(a.LockedUntilMs, b.LockedUntilMs);
        return latest == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(latest);
    }

    private static int AttemptsLeft(CounterState state, int limit) => state.LockedUntilMs > 0 ? 0 : limit - state.Failures;

    /// <summary>One more wrong code; the one that reaches the limit locks, and the count begins anew behind the lock.</summary>
    private CounterState Failed(CounterState state, int limit, DateTimeOffset now)
    {
        // A lock that has run out is over, but remembered in the number of locks.
        state = state with { Failures = (state.LockedUntilMs > 0 ? 0 : state.Failures) + 1, LockedUntilMs = 0 };
        if (state.Failures < limit)
        {
            return state;
        }

        var lasts = TimeSpan.FromMinutes(Math.Min(Limits.FirstLock.TotalMinutes * Math.Pow(2, state.Locks), Limits.LongestLock.TotalMinutes));
        return state with { Locks = Math.Min(state.Locks + 1, 30), LockedUntilMs = (now + lasts).ToUnixTimeMilliseconds() };
    }

    private void CommitSuccess(FactorKey factor, CounterState own)
    {
        var account = Find(factor with { FactorId = AccountWide });
        Commit([own with { Failures = 0, Locks = 0, LockedUntilMs = 0 }, account with { Failures = 0, Locks = 0, LockedUntilMs = 0 }]);
    }

    // ------------------------------------------------------------------ the journal

    /// <summary>Writes to disk, and only then to memory.</summary>
    private void Commit(ReadOnlySpan<CounterState> states)
    {
        var lines = new MemoryStream();
        foreach (var state in states)
        {
            lines.Write(JsonSerializer.SerializeToUtf8Bytes(state, ClaimJson.Default.CounterState));
            lines.WriteByte((byte)'\n');
        }

        Append(lines.GetBuffer().AsSpan(0, (int)lines.Length));
        foreach (var state in states)
        {
            _states[state.Key] = state;
        }

        if (_length > _compactAboveBytes)
        {
            Compact();
        }
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(_file, bytes, _length);
            RandomAccess.FlushToDisk(_file);
            _length += bytes.Length;
        }
        catch (IOException)
        {
            // Whatever part was written must not stand in front of the next line.
            RandomAccess.SetLength(_file, _length);
            throw;
        }
    }

    private void Load()
    {
        var bytes = new byte[RandomAccess.GetLength(_file)];
        var read = RandomAccess.Read(_file, bytes, 0);
        var text = bytes.AsSpan(0, read);
        var whole = text.LastIndexOf((byte)'\n') + 1;
        var number = 0;
        foreach (var range in text[..whole].Split((byte)'\n'))
        {
            var line = text[..whole][range];
            number++;
            if (line.IsEmpty)
            {
                continue;
            }

            var state = TryReadLine(line)
                ?? throw new InvalidDataException($"`{_path}` is damaged in line {number}: restore it, or remove it and have every factor enrolled anew");
            _states[state.Key] = state;
        }

        _length = whole;
        RandomAccess.SetLength(_file, whole);
    }

    private static CounterState? TryReadLine(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, ClaimJson.Default.CounterState) is { } state && EntityType.IsValid(state.Type) ? state : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>
    /// Writes the current state beside the journal, and puts it in its place in one step. Where that fails the journal stays as it is, whole
    /// if long, and the next attempt is made when it has doubled.
    /// </summary>
    private void Compact()
    {
        var temporary = _path + ".new";
        SafeFileHandle? compacted = null;
        try
        {
            File.Delete(temporary);
            compacted = OpenExclusively(temporary);
            var bytes = Encoding.UTF8.GetBytes(string.Concat(_states.Values.Select(s => JsonSerializer.Serialize(s, ClaimJson.Default.CounterState) + "\n")));
            RandomAccess.Write(compacted, bytes, 0);
            RandomAccess.FlushToDisk(compacted);
            File.Move(temporary, _path, overwrite: true);
            _file.Dispose();
            (_file, _length) = (compacted, bytes.Length);
            _compactAboveBytes = Math.Max(CompactAboveBytes, 2 * _length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            compacted?.Dispose();
            _compactAboveBytes = 2 * _length;
        }
    }

    private static SafeFileHandle OpenExclusively(string path) =>
        File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, FileOptions.None);

    public void Dispose() => _file.Dispose();
}

/// <summary>The state of one counter: of a factor, or of an account where the factor is empty.</summary>
internal sealed record CounterState
{
    public required string Type { get; init; }

    public required string Id { get; init; }

    public required string Factor { get; init; }

    public int Failures { get; init; }

    public int Locks { get; init; }

    public long LockedUntilMs { get; init; }

    public long LastStep { get; init; }

    public IReadOnlyList<string> Used { get; set; } = [];

    [JsonIgnore]
    public FactorKey Key => new(new EntityUid(Type, Id), Factor);
}

[JsonSourceGenerationOptions(UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(CounterState))]
internal sealed partial class ClaimJson : JsonSerializerContext;
