using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace AuthSidecar.Cedar;

/// <summary>
/// The hash of a type and an id: of every eight bytes, the product of their halves, each with a key of its place added, as in NH (Black et al.,
/// "UMAC: Fast and Secure Message Authentication", CRYPTO '99). A decision made from strings hashes three uids, so this is a good part of it.
/// </summary>
/// <remarks>
/// Keyed anew in every process, so that ids chosen by others cannot be made to meet in one place of a table: whatever two they choose, as long
/// as a uid has no more than 250 characters, meet once in four thousand million keys. No MAC for all that.
/// </remarks>
internal static class NameHash
{
    private const int Places = 64;
    private const int CharsPerPlace = sizeof(ulong) / sizeof(char);

    private static readonly ulong[] Keys = MemoryMarshal.Cast<byte, ulong>(RandomNumberGenerator.GetBytes(Places * sizeof(ulong))).ToArray();

    public static int Of(ReadOnlySpan<char> type, ReadOnlySpan<char> id)
    {
        var keys = Keys;
        // With the lengths, "ab" and "c" are not "a" and "bc"; and the last place of a text may hold what the one before held in part.
        var hash = Step(0, ((ulong)(uint)type.Length << 32) | (uint)id.Length, keys[0]);
        hash = Add(hash, type, keys, 1);
        hash = Add(hash, id, keys, 1 + Math.Max(1, (type.Length + CharsPerPlace - 1) / CharsPerPlace));
        hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15;
        // Never zero, which marks a gap in the tables.
        return (int)(hash >> 32) is var folded && folded != 0 ? folded : 1;
    }

    private static ulong Add(ulong hash, ReadOnlySpan<char> text, ulong[] keys, int place)
    {
        if (text.Length < CharsPerPlace)
        {
            ulong few = 0;
            foreach (var c in text)
            {
                few = (few << 16) | c;
            }

            return Step(hash, few, keys[place % Places]);
        }

        for (var at = 0; at < text.Length - CharsPerPlace; at += CharsPerPlace)
        {
            hash = Step(hash, Read(text[at..]), keys[place++ % Places]);
        }

        return Step(hash, Read(text[^CharsPerPlace..]), keys[place % Places]);
    }

    private static ulong Read(ReadOnlySpan<char> text) => Unsafe.ReadUnaligned<ulong>(ref Unsafe.As<char, byte>(ref MemoryMarshal.GetReference(text)));

    // 32 x 32 bits: on every processor one instruction, and the next need not wait for it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Step(ulong hash, ulong bytes, ulong key)
    {
        // Turned, so that places that share a key do not change places unnoticed.
        return BitOperations.RotateLeft(hash, 23) + ((ulong)(uint)((uint)bytes + (uint)key) * (uint)((uint)(bytes >> 32) + (uint)(key >> 32)));
    }
}
