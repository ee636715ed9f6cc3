using System.Buffers.Binary;

namespace AuthSidecar.Cedar;

/// <summary>Cedar's <c>ipaddr</c>: an IPv4 or IPv6 address, or a range of them in CIDR notation.</summary>
/// <remarks>Immutable. A single address is a range whose prefix covers every bit. IPv4 and IPv6 never equal or contain each
/// other.</remarks>
public sealed class IpRange : IEquatable<IpRange>
{
    private const int LongestText = 43;

    private readonly UInt128 _address;

    private IpRange(UInt128 address, int prefix, bool isIpv6)
    {
        _address = address;
        Prefix = prefix;
        IsIpv6 = isIpv6;
    }

    /// <summary>How many leading bits are fixed: 0 to 32, or 0 to 128.</summary>
    public int Prefix { get; }

    /// <summary>Whether this is IPv6.</summary>
    public bool IsIpv6 { get; }

    /// <summary>Whether this is IPv4.</summary>
    public bool IsIpv4 => !IsIpv6;

    /// <summary>Whether every address of the range is a loopback address: 127.0.0.0/8, ::1.</summary>
    public bool IsLoopback => IsIpv6 ? Prefix == 128 && _address == UInt128.One : Prefix >= 8 && _address >> 24 == 127;

    /// <summary>Whether every address of the range is a multicast address: 224.0.0.0/4, ff00::/8.</summary>
    public bool IsMulticast => IsIpv6 ? Prefix >= 8 && _address >> 120 == 0xff : Prefix >= 4 && _address >> 28 == 0xe;

    private int Width => IsIpv6 ? 128 : 32;
    private UInt128 HostMask => Prefix == Width ? UInt128.Zero : UInt128.MaxValue >> (128 - (Width - Prefix));
    private UInt128 First => _address & ~HostMask;
    private UInt128 Last => _address | HostMask;

    /// <summary>Whether every address of this range is one of the other.</summary>
    public bool IsInRange(IpRange other) => IsIpv6 == other.IsIpv6 && First >= other.First && Last <= other.Last;

    /// <summary>The IPv4 address that an IPv4-mapped IPv6 address (::ffff:0:0/96) stands for; any other range as it is.</summary>
    public IpRange MapToIpv4() => IsIpv6 && Prefix == 128 && _address >> 32 == 0xffff
        ? new IpRange(_address & uint.MaxValue, 32, isIpv6: false)
        : this;

    /// <summary>The address in network byte order: 4 or 16 bytes, without the prefix length.</summary>
    public byte[] ToAddressBytes()
    {
        var bytes = new byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, _address);
        return IsIpv6 ? bytes : bytes[12..];
    }

    /// <summary>Reads an address, or an address and a prefix length: four decimal numbers without leading zeros, or IPv6 in hexadecimal
    /// groups with at most one <c>::</c>. No zone, no IPv4 inside IPv6, no leading zeros in the prefix length.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out IpRange? value)
    {
        value = null;
        if (text.Length > LongestText)
            return false;

        var rest = text.AsSpan();
        var slash = rest.IndexOf('/');
        var addressText = slash < 0 ? rest : rest[..slash];
        var isIpv6 = addressText.Contains(':');
        UInt128 address;
        if (!(isIpv6 ? TryReadIpv6(addressText, out address) : TryReadIpv4(addressText, out address)))
            return false;

        var width = isIpv6 ? 128 : 32;
        var prefix = width;
        if (slash >= 0 && !TryReadPrefix(rest[(slash + 1)..], width, out prefix))
            return false;

        value = new IpRange(address, prefix, isIpv6);
        return true;
    }

    private static bool TryReadPrefix(ReadOnlySpan<char> digits, int width, out int prefix)
    {
        prefix = 0;
        return digits.Length is >= 1 and <= 3
            && AsciiDigits.IsAll(digits)
            && (digits[0] != '0' || digits.Length == 1)
            && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out prefix)
            && prefix <= width;
    }

    private static bool TryReadIpv4(ReadOnlySpan<char> text, out UInt128 address)
    {
        address = 0;
        var parts = 0;
        foreach (var range in text.Split('.'))
        {
            var part = text[range];
            if (++parts > 4
                || part.Length is 0 or > 3
                // TryParse overlooks trailing NULs, here and below.
                || !AsciiDigits.IsAll(part)
                || (part[0] == '0' && part.Length > 1)
                || !byte.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var octet))
            {
                return false;
            }

            address = (address << 8) | octet;
        }

        return parts == 4;
    }

    private static bool TryReadIpv6(ReadOnlySpan<char> text, out UInt128 address)
    {
        address = 0;
        var gap = text.IndexOf("::", StringComparison.Ordinal);
        if (gap < 0)
            return TryReadGroups(text, out address, out var all) && all == 8;

        var right = text[(gap + 2)..];
        if (!TryReadGroups(text[..gap], out var high, out var highGroups) || !TryReadGroups(right, out var low, out var lowGroups)
            || highGroups + lowGroups > 7)
        {
            return false;
        }

        address = highGroups == 0 ? low : (high << (16 * (8 - highGroups))) | low;
        return true;
    }

    private static bool TryReadGroups(ReadOnlySpan<char> text, out UInt128 bits, out int groups)
    {
        bits = 0;
        groups = 0;
        if (text.IsEmpty)
            return true;

        foreach (var range in text.Split(':'))
        {
            var group = text[range];
            if (++groups > 8
                || group.Length is 0 or > 4
                || group.Contains('\0')
                || !ushort.TryParse(group, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var word))
            {
                return false;
            }

            bits = (bits << 16) | word;
        }

        return true;
    }

    /// <inheritdoc/>
    public bool Equals(IpRange? other) => other is not null && IsIpv6 == other.IsIpv6 && Prefix == other.Prefix
        && _address == other._address;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as IpRange);

    /// <inheritdoc/>
    public override int GetHashCode() => ValueHash.Fold(ValueHash.Mix(
        ValueHash.Mix(ValueHash.Mix(ValueHash.Begin(ValueKind.IpAddr), (ulong)_address), (ulong)(_address >> 64)),
        ((ulong)Prefix << 1) | (IsIpv6 ? 1u : 0)));

    /// <summary>The address, with its prefix length when it is a range.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        if (IsIpv6)
        {
            for (var shift = 112; shift >= 0; shift -= 16)
                text.Append(CultureInfo.InvariantCulture, $"{(ushort)(_address >> shift):x}").Append(shift > 0 ? ":" : "");
        }
        else
        {
            for (var shift = 24; shift >= 0; shift -= 8)
                text.Append(CultureInfo.InvariantCulture, $"{(byte)(_address >> shift)}").Append(shift > 0 ? "." : "");
        }

        return Prefix == Width ? text.ToString() : text.Append(CultureInfo.InvariantCulture, $"/{Prefix}").ToString();
    }
}
