using System.Runtime.InteropServices;

namespace AuthSidecar.Api.Wire;

/// <summary>What requests repeat, as one object each: the names of types and attributes, and the uids of actions, users and busy resources.
/// Two tables of fixed size: what a caller sends can push entries out of them, and can never make them grow.</summary>
/// <remarks>Entries are immutable and references are written whole: threads that meet in a slot find one entry or another, never half of
/// one. An entry says nothing but that two names are equal, so it makes no difference who put it there.</remarks>
internal static class NameCache
{
    private const int NameSlots = 2048;
    private const int UidSlots = 8192;
    private const int MaxBytes = 64;

    private static readonly string?[] Names = new string?[NameSlots];
    private static readonly EntityUid?[] Uids = new EntityUid?[UidSlots];

    /// <exception cref="Grpc.Core.RpcException">The bytes are not UTF-8; here and below.</exception>
    public static string GetName(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length is 0 or > MaxBytes)
            return MessageReader.Decode(utf8);

        ref var slot = ref Names[Hash(utf8) % NameSlots];
        return slot is { } known && Ascii.Equals(utf8, known) ? known : slot = MessageReader.Decode(utf8);
    }

    /// <returns>False when the type is not a Cedar name.</returns>
    public static bool TryGetUid(ReadOnlySpan<byte> type, ReadOnlySpan<byte> id, [NotNullWhen(true)] out EntityUid? uid)
    {
        if (type.Length > MaxBytes || id.Length > MaxBytes)
            return EntityUid.TryCreate(MessageReader.Decode(type), MessageReader.Decode(id), out uid);

        ref var slot = ref Uids[((Hash(type) * 31) ^ Hash(id)) % UidSlots];
        uid = slot;
        if (uid is not null && Ascii.Equals(id, uid.Id) && Ascii.Equals(type, uid.Type))
            return true;

        if (!EntityUid.TryCreate(GetName(type), MessageReader.Decode(id), out uid))
            return false;

        slot = uid;
        return true;
    }

    /// <summary>Of the length and the ends: enough to tell names apart, and whoever makes them collide slows down nobody but the
    /// table.</summary>
    private static uint Hash(ReadOnlySpan<byte> utf8)
    {
        ulong ends = utf8.Length switch
        {
            >= sizeof(ulong) => MemoryMarshal.Read<ulong>(utf8) ^ (31 * MemoryMarshal.Read<ulong>(utf8[^sizeof(ulong)..])),
            >= sizeof(uint) => MemoryMarshal.Read<uint>(utf8) | ((ulong)MemoryMarshal.Read<uint>(utf8[^sizeof(uint)..]) << 32),
            > 0 => utf8[0] | ((ulong)utf8[utf8.Length / 2] << 8) | ((ulong)utf8[^1] << 16),
            _ => 0,
        };
        return (uint)(((ends ^ (uint)utf8.Length) * 0x9e3779b97f4a7c15) >> 40);
    }
}
