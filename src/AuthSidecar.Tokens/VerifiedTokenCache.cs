using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Text;

namespace AuthSidecar.Tokens;

/// <summary>Remembers verified tokens, so that a signature is checked once and not at every call.</summary>
/// <remarks>
/// Keyed by the whole text of the token. An entry counts only while its issuer is the very object that the snapshot has: when keys
/// change the object does, and every token of that issuer is verified again.
/// <para>
/// A table of fixed size, in sets of a few places each. Readers take no lock: entries are immutable but for a mark, and references are
/// written whole. Nothing but a genuine token gets in, so that whoever sends others pushes none out.
/// </para>
/// </remarks>
internal sealed class VerifiedTokenCache
{
    private const int Ways = 8;

    /// <summary>Characters of the signature: of a genuine token they are as good as random, and nobody's choice.</summary>
    private const int HashedChars = 24;

    /// <summary>What the cache takes at most for a token of its capacity, on average: tokens that list hundreds of groups take more, and
    /// so there is room for fewer of them.</summary>
    private const int BytesPerToken = 6 * 1024;

    private readonly Entry?[] _places;
    private readonly uint _lastSet;
    private readonly long _maxBytes;
    private long _bytes;

    /// <param name="capacity">How many tokens to have room for; twice the places, since sets fill unevenly.</param>
    public VerifiedTokenCache(int capacity)
    {
        _maxBytes = Math.Max(capacity, 16) * (long)BytesPerToken;
        var sets = BitOperations.RoundUpToPowerOf2((uint)((Math.Max(capacity, 1) * 2L / Ways) + 1));
        (_places, _lastSet) = (new Entry?[sets * Ways], sets - 1);
    }

    /// <summary>The text of a remembered token, so that it need not be made again; null when it is not remembered.</summary>
    public string? FindText(ReadOnlySpan<byte> utf8)
    {
        foreach (var entry in SetOf(HashOf(utf8)))
        {
            if (entry is not null && entry.Text.Length == utf8.Length && Ascii.Equals(utf8, entry.Text))
                return entry.Text;
        }

        return null;
    }

    public bool TryGet(string text, IssuerSet issuers, [NotNullWhen(true)] out VerifiedToken? token)
    {
        foreach (var entry in SetOf(HashOf(text)))
        {
            if (entry is not null && string.Equals(entry.Text, text, StringComparison.Ordinal))
            {
                token = entry.Token;
                if (!issuers.Contains(token.Issuer))
                    break;

                entry.IsUsed = true;
                return true;
            }
        }

        token = null;
        return false;
    }

    /// <summary>What it takes of memory, nearly.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>Remembers a token: in place of itself, of nothing, of one that has expired, or of one that nobody has asked for
    /// lately.</summary>
    public void Add(string text, VerifiedToken token, long nowSeconds)
    {
        var set = SetOf(HashOf(text));
        var victim = -1;
        for (var i = 0; i < set.Length; i++)
        {
            var entry = set[i];
            if (entry is null || entry.Token.ExpiresAt <= nowSeconds || string.Equals(entry.Text, text, StringComparison.Ordinal))
            {
                victim = i;
                break;
            }

            if (!entry.IsUsed && victim < 0)
                victim = i;
        }

        if (victim < 0)
        {
            // Everybody gets another chance but one, chosen by what nobody chooses.
            foreach (var entry in set)
                entry?.IsUsed = false;

            victim = (int)(HashOf(text) >> 32) & (Ways - 1);
        }

        var added = new Entry(text, token);
        Replace(ref set[victim], added);
        for (var i = 0; i < set.Length && Volatile.Read(ref _bytes) > _maxBytes; i++)
        {
            // Those beside it make room, and if that is not enough, it is not remembered.
            var next = (victim + 1 + i) & (Ways - 1);
            if (set[next] is not null)
                Replace(ref set[next], null);
        }
    }

    private void Replace(ref Entry? place, Entry? entry)
    {
        var before = Interlocked.Exchange(ref place, entry);
        Interlocked.Add(ref _bytes, (entry?.Bytes ?? 0) - (before?.Bytes ?? 0));
    }

    private Span<Entry?> SetOf(ulong hash) => _places.AsSpan((int)((uint)hash & _lastSet) * Ways, Ways);

    private static ulong HashOf(ReadOnlySpan<char> text)
    {
        var hash = 0ul;
        foreach (var c in text[^Math.Min(HashedChars, text.Length)..])
            hash = Mix(hash, c);

        return Finish(hash);
    }

    private static ulong HashOf(ReadOnlySpan<byte> utf8)
    {
        var hash = 0ul;
        foreach (var b in utf8[^Math.Min(HashedChars, utf8.Length)..])
            hash = Mix(hash, b);

        return Finish(hash);
    }

    private static ulong Mix(ulong hash, uint c) => (hash ^ c) * 0x9e3779b97f4a7c15;
    private static ulong Finish(ulong hash) => hash ^ (hash >> 32);

    private sealed class Entry(string text, VerifiedToken token)
    {
        // What is around the two, and what the claims become.
        private const int Overhead = 1024;

        /// <summary>What it takes of memory, nearly.</summary>
        public long Bytes { get; } = (text.Length * sizeof(char)) + (token.ClaimsUtf8.Length * 2L) + Overhead;

        public string Text => text;
        public VerifiedToken Token => token;

        /// <summary>Whether somebody has asked for it since room was last made. Threads may lose each other's mark, and nothing with
        /// it.</summary>
        public bool IsUsed { get; set; }
    }
}
