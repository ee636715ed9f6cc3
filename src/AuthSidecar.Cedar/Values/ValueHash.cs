using System.Security.Cryptography;

namespace AuthSidecar.Cedar;

/// <summary>The hashes of values that are numbers or made of others. Keyed anew in every process, and mixed at every step by
/// multiplications with keys, so that no set of values meets in one place of a table by the way it is made, whatever the keys
/// are.</summary>
/// <remarks><see cref="HashCode"/> is keyed too, but only in where it starts from: numbers that differ in both halves by the right amounts
/// meet under most of its keys.</remarks>
internal static class ValueHash
{
    private static readonly ulong First = OddKey();
    private static readonly ulong Second = OddKey();
    private static readonly ulong Third = OddKey();

    /// <summary>The hash of what is held in 64 bits.</summary>
    public static int OfBits(ValueKind kind, ulong bits) => Fold(Mix(Begin(kind), bits));

    /// <summary>What a hash begins with: values of different kinds part at once.</summary>
    public static ulong Begin(ValueKind kind) => First * ((ulong)kind + Third);

    /// <summary>The hash so far with the next part in it; the order of the parts counts.</summary>
    public static ulong Mix(ulong hash, ulong part)
    {
        // Multiplied, what differs in low bits differs in high ones; folded and multiplied again, nothing is left that adds up.
        var mixed = (hash ^ part) * First;
        mixed = (mixed ^ (mixed >> 32)) * Second;
        mixed = (mixed ^ (mixed >> 29)) * Third;
        return mixed ^ (mixed >> 32);
    }

    /// <summary>The hash in 32 bits.</summary>
    public static int Fold(ulong hash) => (int)(hash >> 32);

    private static ulong OddKey() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))) | 1;
}
