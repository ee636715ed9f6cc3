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

/// <summary>What a code is. The default is a wrong one.</summary>
internal enum CodeKind
{
    Wrong = 0,

    /// <summary>It was right, and was redeemed before.</summary>
    Redeemed,

    /// <summary>It is right.</summary>
    Right,
}

/// <summary>A code that was looked at. What redeems it is its time step, or its hash.</summary>
internal readonly record struct JudgedCode(CodeKind Kind, long Step = 0, byte[]? Hash = null);

/// <summary>What came of an attempt. The default is a locked factor.</summary>
internal enum AttemptOutcome
{
    /// <summary>The code was not looked at.</summary>
    Locked = 0,
    Wrong,
    AlreadyRedeemed,
    Redeemed,
}

/// <param name="Outcome">What came of it.</param>
/// <param name="AttemptsLeft">How many more wrong codes there may be.</param>
/// <param name="LockedUntil">Until when the factor is locked; null: it is not.</param>
internal readonly record struct Attempt(AttemptOutcome Outcome, int AttemptsLeft, DateTimeOffset? LockedUntil);

/// <summary>Too many attempts wait for the disk already.</summary>
internal sealed class ClaimStoreBusyException() : IOException("claim store overloaded: too many waiting attempts");

/// <summary>
/// Which codes are redeemed, and how many were wrong: the local store of a sidecar on its own. A journal on disk; every change is on disk
/// before anybody hears of it.
/// </summary>
/// <remarks>
/// One thread writes: it takes all attempts that wait, appends them, and flushes once for all. Nobody else ever waits for a disk on a thread that
/// decisions are made by.
/// <para/>
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

    /// <summary>More than this wait for no disk that is worth waiting for.</summary>
    private const int MaxWaiting = 4_096;

    private readonly BlockingCollection<Waiting> _waiting = new(MaxWaiting);
    private readonly Thread _writer;
    private readonly ConcurrentDictionary<FactorKey, CounterState> _states = new();

    // What the attempts since the last flush have made of counters; the writer's alone.
    private readonly Dictionary<FactorKey, CounterState> _unflushed = [];
    private readonly string _path;
    private readonly SafeFileHandle _ownership;
    private SafeFileHandle _file;
    private long _length;
    private byte[] _lastDigest = [];
    private long _compactAboveBytes = CompactAboveBytes;

    private ClaimStore(string path, SafeFileHandle ownership, SafeFileHandle file, AttemptLimits limits)
    {
        (_path, _ownership, _file, Limits) = (path, ownership, file, limits);
        _writer = new Thread(Write) { IsBackground = true, Name = "claim store" };
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
            store._writer.Start();
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Looks at a code, counts it if it is wrong, redeems it if it is right, and answers once that is on disk: whoever is not answered has learned
    /// nothing, and whoever is answered has been counted. A code that is redeemed already is no failure: a caller may well ask twice.
    /// </summary>
    /// <param name="factor">The factor.</param>
    /// <param name="now">The moment.</param>
    /// <param name="judge">Looks at the code: right, and redeemed before or not, or wrong. Called by the writer, and not at all for a factor that is locked.</param>
    /// <param name="cancellation">The caller's patience: an attempt of a caller who has gone before it is looked at does not count.</param>
    /// <exception cref="IOException">It could not be stored, and so was not made.</exception>
    /// <exception cref="OperationCanceledException">The caller has gone.</exception>
    public Task<Attempt> AttemptAsync(FactorKey factor, DateTimeOffset now, Func<RedeemedCodes, JudgedCode> judge, CancellationToken cancellation)
    {
        var waiting = new Waiting(factor, now, judge, cancellation);
        try
        {
            return _waiting.TryAdd(waiting) ? waiting.Answer : Task.FromException<Attempt>(new ClaimStoreBusyException());
        }
        catch (Exception e) when (e is InvalidOperationException or ObjectDisposedException)
        {
            return Task.FromException<Attempt>(new IOException("the claim store is closed"));
        }
    }

    /// <summary>How many codes of the subject were wrong since the last right one.</summary>
    public int FailuresOf(EntityUid subject) => _states.GetValueOrDefault(new FactorKey(subject, AccountWide))?.Failures ?? 0;

    // ------------------------------------------------------------------ the writer

    private void Write()
    {
        var batch = new List<Waiting>();
        foreach (var first in _waiting.GetConsumingEnumerable())
        {
            batch.Add(first);
            while (batch.Count < MaxWaiting && _waiting.TryTake(out var next))
            {
                batch.Add(next);
            }

            Write(batch);
            batch.Clear();
        }
    }

    private void Write(List<Waiting> batch)
    {
        try
        {
            foreach (var waiting in batch)
            {
                waiting.Attempt = waiting.IsOver ? null : Try(waiting);
            }

            Commit();
        }
        catch (Exception e)
        {
            // Nothing of it counts, and nobody is told anything but this.
            _unflushed.Clear();
            batch.ForEach(w => w.Fail(e as IOException ?? new IOException("an attempt could not be stored", e)));
            return;
        }

        batch.ForEach(w => w.Complete());
    }

    private Attempt Try(Waiting waiting)
    {
        var account = Find(waiting.Factor with { FactorId = AccountWide });
        var own = Find(waiting.Factor);
        if (LatestLock(account, own) is { } lockedUntil && lockedUntil > waiting.Now)
        {
            return new Attempt(AttemptOutcome.Locked, 0, lockedUntil);
        }

        var code = waiting.Judge(new RedeemedCodes(own));
        switch (code.Kind)
        {
            case CodeKind.Right:
                own = code.Hash is null ? own with { LastStep = code.Step } : own with { Used = [.. own.Used, RedeemedCodes.NameOf(code.Hash)] };
                Keep(own with { Failures = 0, Locks = 0, LockedUntilMs = 0 });
                Keep(account with { Failures = 0, Locks = 0, LockedUntilMs = 0 });
                return new Attempt(AttemptOutcome.Redeemed, Limits.PerFactor, null);
            case CodeKind.Redeemed:
                return new Attempt(AttemptOutcome.AlreadyRedeemed, AttemptsLeft(account, own), null);
            default:
                account = Failed(account, Limits.PerAccount, waiting.Now);
                own = Failed(own, Limits.PerFactor, waiting.Now);
                Keep(account);
                Keep(own);
                return new Attempt(AttemptOutcome.Wrong, AttemptsLeft(account, own), LatestLock(account, own));
        }
    }

    private void Keep(CounterState state) => _unflushed[state.Key] = state;

    private CounterState Find(FactorKey key) =>
        _unflushed.GetValueOrDefault(key) ?? _states.GetValueOrDefault(key) ?? new CounterState { Type = key.Subject.Type, Id = key.Subject.Id, Factor = key.FactorId };

    /// <summary>An attempt that waits for the writer, and its caller for the disk.</summary>
    private sealed class Waiting(FactorKey factor, DateTimeOffset now, Func<RedeemedCodes, JudgedCode> judge, CancellationToken cancellation)
    {
        // Continued elsewhere: the writer writes.
        private readonly TaskCompletionSource<Attempt> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public FactorKey Factor => factor;

        public DateTimeOffset Now => now;

        public Task<Attempt> Answer => _answer.Task;

        public bool IsOver => cancellation.IsCancellationRequested;

        /// <summary>What came of it; null: its caller had gone.</summary>
        public Attempt? Attempt { get; set; }

        public JudgedCode Judge(RedeemedCodes redeemed) => judge(redeemed);

        public void Complete()
        {
            if (Attempt is { } attempt)
            {
                _answer.TrySetResult(attempt);
            }
            else
            {
                _answer.TrySetCanceled(cancellation);
            }
        }

        public void Fail(IOException exception) => _answer.TrySetException(exception);
    }

    private static DateTimeOffset? LatestLock(CounterState a, CounterState b)
    {
        var latest = Math.Max(a.LockedUntilMs, b.LockedUntilMs);
        return latest == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(latest);
    }

    private int AttemptsLeft(CounterState account, CounterState own) => Math.Min(AttemptsLeft(account, Limits.PerAccount), AttemptsLeft(own, Limits.PerFactor));

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

    // ------------------------------------------------------------------ the journal

    /// <summary>Writes to disk, and only then to memory.</summary>
    private void Commit()
    {
        if (_unflushed.Count == 0)
        {
            return;
        }

        var lines = new MemoryStream();
        var digest = _lastDigest;
        foreach (var state in _unflushed.Values)
        {
            digest = WriteLine(lines, state, digest);
        }

        Append(lines.GetBuffer().AsSpan(0, (int)lines.Length));
        _lastDigest = digest;
        foreach (var (key, state) in _unflushed)
        {
            _states[key] = state;
        }

        _unflushed.Clear();
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
        _waiting.CompleteAdding();
        // What waits is written; a disk that hangs is not waited for.
        if (_writer.IsAlive)
        {
            _writer.Join(TimeSpan.FromSeconds(5));
        }

        _file.Dispose();
        _ownership.Dispose();
    }
}

/// <summary>The codes of a factor that are redeemed.</summary>
internal readonly struct RedeemedCodes(CounterState state)
{
    /// <summary>Whether this time step, or a later one, was redeemed.</summary>
    public bool Contains(long step) => state.LastStep >= step;

    /// <summary>Whether the code with this hash was redeemed.</summary>
    public bool Contains(byte[] hash) => state.Used.Contains(NameOf(hash), StringComparer.Ordinal);

    public static string NameOf(byte[] hash) => Convert.ToBase64String(hash);
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
