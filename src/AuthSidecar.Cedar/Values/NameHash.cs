using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace AuthSidecar.Cedar;

/// <summary>The hash of a type and an id: of every eight bytes, the product of their halves, each with a key of its place added, as in NH
/// (Black et al., "UMAC: Fast and Secure Message Authentication", CRYPTO '99). A decision made from strings hashes three uids, so this is a
/// good part of it.</summary>
/// <remarks>Keyed anew in every process, so that ids chosen by others cannot be made to meet in one place of a table: whatever two they
/// choose, as long as a uid has no more than 250 characters, meet once in four thousand million keys. No MAC for all that.</remarks>
internal static class NameHash
{
    private const uint Places = 64;
    private const int CharsPerPlace = sizeof(ulong) / sizeof(char);

    private static readonly ulong[] Keys = MemoryMarshal.Cast<byte, ulong>(RandomNumberGenerator.GetBytes((int)Places * sizeof(ulong)))
        .ToArray();

    public static int Of(ReadOnlySpan<char> type, ReadOnlySpan<char> id)
    {
        ref var keys = ref MemoryMarshal.GetArrayDataReference(Keys);
        // With the lengths, "ab" and "c" are not "a" and "bc"; and the last place of a text may hold what the one before held in part.
        var hash = Step(0, ((ulong)(uint)type.Length << 32) | (uint)id.Length, keys);
        var place = 1u;
        hash = Add(hash, type, ref keys, ref place);
        hash = Add(hash, id, ref keys, ref place);
        hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15;
        // Never zero, which marks a gap in the tables.
        return (int)(hash >> 32) is var folded && folded != 0 ? folded : 1;
    }

    // Inlined twice: most texts have one place or two, and a call would cost as much as either.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Add(ulong hash, ReadOnlySpan<char> text, ref ulong keys, ref uint place)
    {
        ref var start = ref Unsafe.As<char, byte>(ref MemoryMarshal.GetReference(text));
        var left = text.Length;
        if (left < CharsPerPlace)
            return Step(hash, ReadFew(ref start, left), Key(ref keys, place++));

        for (; left > CharsPerPlace; left -= CharsPerPlace)
        {
            hash = Step(hash, Unsafe.ReadUnaligned<ulong>(ref start), Key(ref keys, place++));
            start = ref Unsafe.Add(ref start, sizeof(ulong));
        }

        ref var last = ref Unsafe.Add(ref start, (left - CharsPerPlace) * sizeof(char));
        return Step(hash, Unsafe.ReadUnaligned<ulong>(ref last), Key(ref keys, place++));
    }

    /// <summary>None to three characters: the first two and the last two, which are the same or share one.</summary>
    private static ulong ReadFew(ref byte start, int length) => length switch
    {
        0 => 0,
        1 => Unsafe.ReadUnaligned<ushort>(ref start),
        _ => Unsafe.ReadUnaligned<uint>(
            ref start) | ((ulong)Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref start, (length - 2) * sizeof(char))) << 32),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Key(ref ulong keys, uint place) => Unsafe.Add(ref keys, place % Places);

    // 32 x 32 bits: on every processor one instruction, and the next need not wait for it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Step(ulong hash, ulong bytes, ulong key)
    {
        // Turned, so that places that share a key do not change places unnoticed.
        return BitOperations.RotateLeft(
            hash, 23) + ((ulong)(uint)((uint)bytes + (uint)key) * (uint)((uint)(bytes >> 32) + (uint)(key >> 32)));
    }
}
