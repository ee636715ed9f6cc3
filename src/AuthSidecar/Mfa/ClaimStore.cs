using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
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
/// One process at a time owns the file, by a lock on another that is never replaced. A line is the whole state of one counter; the last
/// line wins. Each line begins with a digest of itself and of the line before. A torn last line is what a crash leaves of a change that
/// nobody was told about, and is dropped; damage anywhere else, a line lost included, stops the sidecar from starting: it might be a code
/// that could then be used again.
/// </remarks>
internal sealed class ClaimStore : IDisposable
{
    private const long CompactAboveBytes = 4 * 1024 * 1024;
    private const string AccountWide = "";
    private const int DigestBytes = 8;
    private const int MaxLocks = 30;

    // 9999-12-31: no clock goes further.
    private const long LatestMs = 253_402_300_799_999;

    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<FactorKey, CounterState> _states = new();
    private readonly string _path;
    private readonly SafeFileHandle _ownership;
    private SafeFileHandle _file;
    private long _length;
    private byte[] _lastDigest = [];
    private long _compactAboveBytes = CompactAboveBytes;

    private ClaimStore(string path, SafeFileHandle ownership, SafeFileHandle file, AttemptLimits limits)
    {
        (_path, _ownership, _file, Limits) = (path, ownership, file, limits);
    }

    public AttemptLimits Limits { get; }

    /// <summary>Opens the store, or makes an empty one.</summary>
    /// <exception cref="IOException">Another process has it, or the disk fails.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static ClaimStore Open(string path, AttemptLimits limits)
    {
        var store = new ClaimStore(path, OpenFile(path + ".lock", FileShare.None), OpenFile(path, FileShare.Read), limits);
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
        return state with { Locks = Math.Min(state.Locks + 1, MaxLocks), LockedUntilMs = (now + lasts).ToUnixTimeMilliseconds() };
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
        var digest = _lastDigest;
        foreach (var state in states)
        {
            digest = WriteLine(lines, state, digest);
        }

        Append(lines.GetBuffer().AsSpan(0, (int)lines.Length));
        _lastDigest = digest;
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
        var text = ReadWhole(_file);
        var whole = text.AsSpan().LastIndexOf((byte)'\n') + 1;
        var number = 0;
        for (var rest = text.AsSpan(0, whole); !rest.IsEmpty; number++)
        {
            var end = rest.IndexOf((byte)'\n');
            if (!TryReadLine(rest[..end], ref _lastDigest, out var state))
            {
                throw new InvalidDataException($"`{_path}` is damaged in line {number + 1}: restore it, or remove it and have every factor enrolled anew");
            }

            _states[state.Key] = state;
            rest = rest[(end + 1)..];
        }

        _length = whole;
        RandomAccess.SetLength(_file, whole);
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
            var lines = new MemoryStream();
            byte[] digest = [];
            foreach (var state in _states.Values)
            {
                digest = WriteLine(lines, state, digest);
            }

            File.Delete(temporary);
            compacted = OpenFile(temporary, FileShare.Read);
            RandomAccess.Write(compacted, lines.GetBuffer().AsSpan(0, (int)lines.Length), 0);
            RandomAccess.FlushToDisk(compacted);
            File.Move(temporary, _path, overwrite: true);
            _file.Dispose();
            (_file, _length, _lastDigest) = (compacted, lines.Length, digest);
            _compactAboveBytes = Math.Max(CompactAboveBytes, 2 * _length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            compacted?.Dispose();
            DeleteIfPossible(temporary);
            _compactAboveBytes = 2 * _length;
        }
    }

    // ------------------------------------------------------------------ lines and files

    /// <summary>A digest of the line before and of this one, and the state. Returns the digest, for the next line.</summary>
    private static byte[] WriteLine(MemoryStream lines, CounterState state, byte[] previousDigest)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(state, ClaimJson.Default.CounterState);
        var digest = DigestOf(previousDigest, json);
        lines.Write(Encoding.ASCII.GetBytes(Convert.ToHexString(digest)));
        lines.WriteByte((byte)' ');
        lines.Write(json);
        lines.WriteByte((byte)'\n');
        return digest;
    }

    private static bool TryReadLine(ReadOnlySpan<byte> line, ref byte[] digest, [NotNullWhen(true)] out CounterState? state)
    {
        const int HexDigits = 2 * DigestBytes;
        state = null;
        if (line.Length <= HexDigits + 1 || line[HexDigits] != (byte)' ')
        {
            return false;
        }

        var json = line[(HexDigits + 1)..];
        digest = DigestOf(digest, json);
        if (!line[..HexDigits].SequenceEqual(Encoding.ASCII.GetBytes(Convert.ToHexString(digest))))
        {
            return false;
        }

        try
        {
            state = JsonSerializer.Deserialize(json, ClaimJson.Default.CounterState);
            return state is { Failures: >= 0, Locks: >= 0 and <= MaxLocks, LockedUntilMs: >= 0 and <= LatestMs, LastStep: >= 0 } && EntityType.IsValid(state.Type);
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static byte[] DigestOf(ReadOnlySpan<byte> previous, ReadOnlySpan<byte> json) => SHA256.HashData([.. previous, .. json])[..DigestBytes];

    private static byte[] ReadWhole(SafeFileHandle file)
    {
        var bytes = new byte[RandomAccess.GetLength(file)];
        for (var read = 0; read < bytes.Length;)
        {
            var count = RandomAccess.Read(file, bytes.AsSpan(read), read);
            read += count > 0 ? count : throw new EndOfStreamException();
        }

        return bytes;
    }

    private static SafeFileHandle OpenFile(string path, FileShare share)
    {
        if (!File.Exists(path))
        {
            // Nobody else's business; the handle itself cannot be opened with permissions.
            using var created = new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = FileShare.ReadWrite,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
        }

        return File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, share);
    }

    private static void DeleteIfPossible(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The disk is in trouble already, and the journal is whole.
        }
    }

    public void Dispose()
    {
        _file.Dispose();
        _ownership.Dispose();
    }
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
