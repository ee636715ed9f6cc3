using System.Numerics;

namespace AuthSidecar.Cedar;

/// <summary>Some of the policies of a set, by their numbers, made to be intersected: a bit for each policy, kept in words of 64, of which
/// those without a bit are left out; and above them a bit for each word. Ten thousand policies of which few apply take as long as
/// ten.</summary>
/// <remarks>Immutable; equality is by content, so that entities that fit the same policies share one mask.</remarks>
internal sealed class PolicyMask : IEquatable<PolicyMask>
{
    // Bit w of block b: word 64 b + w is not zero. The words that are not zero, in order; how many of them come before those of a block.
    private readonly ulong[] _blocks;
    private readonly int[] _before;
    private readonly ulong[] _words;
    private readonly int _hash;

    /// <param name="bits">Bit <c>i % 64</c> of word <c>i / 64</c> for policy <c>i</c>.</param>
    public PolicyMask(ReadOnlySpan<ulong> bits)
    {
        _blocks = new ulong[(bits.Length + 63) / 64];
        _before = new int[_blocks.Length];
        var hash = new HashCode();
        var words = new List<ulong>();
        for (var word = 0; word < bits.Length; word++)
        {
            if (word % 64 == 0)
                _before[word / 64] = words.Count;

            if (bits[word] != 0)
            {
                _blocks[word / 64] |= 1ul << (word % 64);
                words.Add(bits[word]);
                hash.Add(HashCode.Combine(word, bits[word]));
            }
        }

        _words = [.. words];
        _hash = hash.ToHashCode();
    }

    /// <summary>How many blocks of 64 words there are: the same for all masks of a set.</summary>
    public int BlockCount => _blocks.Length;

    /// <summary>The words of a block that all three masks have policies in: a bit for each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong CommonWords(int block, PolicyMask a, PolicyMask b, PolicyMask c) =>
        a._blocks[block] & b._blocks[block] & c._blocks[block];

    /// <summary>The policies that all three masks have in one of their common words: a bit for each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong CommonPolicies(int block, int word, PolicyMask a, PolicyMask b, PolicyMask c) =>
        a.WordAt(block, word) & b.WordAt(block, word) & c.WordAt(block, word);

    public bool Equals(PolicyMask? other) =>
        other is not null && _hash == other._hash && _blocks.AsSpan().SequenceEqual(other._blocks)
            && _words.AsSpan().SequenceEqual(other._words);

    public override bool Equals(object? obj) => Equals(obj as PolicyMask);
    public override int GetHashCode() => _hash;

    /// <summary>A word that is known not to be zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong WordAt(int block, int word) => _words[_before[block] + BitOperations.PopCount(_blocks[block] & ((1ul << word) - 1))];
}
