using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace AuthSidecar.Tests.Testing;

/// <summary>Writes a small GeoIP database in MaxMind's format (MaxMind DB 2.0): a tree over IPv4 addresses, the records, the metadata.</summary>
internal static class TestGeoDatabase
{
    private const int EmptyBytes = 16;

    public static byte[] Create(params (string Network, object Record)[] networks)
    {
        // A node is two records, for a bit of 0 and of 1: the next node, or nothing (null), or the offset of a record in the data.
        List<object?[]> nodes = [new object?[2]];
        var data = new MemoryStream();
        foreach (var (network, record) in networks)
        {
            var range = IPNetwork.Parse(network);
            var address = BinaryPrimitives.ReadUInt32BigEndian(range.BaseAddress.GetAddressBytes());
            var node = 0;
            for (var depth = 0; depth < range.PrefixLength; depth++)
            {
                var bit = (address >> (31 - depth)) & 1;
                if (depth == range.PrefixLength - 1)
                {
                    nodes[node][bit] = data.Length;
                }
                else if (nodes[node][bit] is int next)
                {
                    node = next;
                }
                else
                {
                    nodes.Add(new object?[2]);
                    nodes[node][bit] = nodes.Count - 1;
                    node = nodes.Count - 1;
                }
            }

            Write(data, record);
        }

        var file = new MemoryStream();
        foreach (var record in nodes.SelectMany(n => n))
        {
            // A value beyond the nodes points into the data.
            var value = (uint)(record switch { int next => next, long offset => nodes.Count + EmptyBytes + offset, _ => nodes.Count });
            file.Write([(byte)(value >> 16), (byte)(value >> 8), (byte)value]);
        }

        file.Write(new byte[EmptyBytes]);
        data.WriteTo(file);
        file.Write([0xab, 0xcd, 0xef, .. "MaxMind.com"u8]);
        Write(file, new Dictionary<string, object>
        {
            ["binary_format_major_version"] = (ushort)2,
            ["binary_format_minor_version"] = (ushort)0,
            ["build_epoch"] = 1_790_000_000ul,
            ["database_type"] = "Test-City",
            ["description"] = new Dictionary<string, object>(),
            ["ip_version"] = (ushort)4,
            ["languages"] = Array.Empty<object>(),
            ["node_count"] = (uint)nodes.Count,
            ["record_size"] = (ushort)24,
        });
        return file.ToArray();
    }

    /// <summary>A record as a City database has them.</summary>
    public static object City(string country, double latitude, double longitude, uint accuracyKm) => new Dictionary<string, object>
    {
        ["country"] = new Dictionary<string, object> { ["iso_code"] = country },
        ["location"] = new Dictionary<string, object> { ["latitude"] = latitude, ["longitude"] = longitude, ["accuracy_radius"] = accuracyKm },
    };

    private static void Write(MemoryStream to, object value)
    {
        switch (value)
        {
            case string text:
                WriteHead(to, 2, Encoding.UTF8.GetByteCount(text));
                to.Write(Encoding.UTF8.GetBytes(text));
                break;
            case double number:
                WriteHead(to, 3, sizeof(double));
                var bits = new byte[sizeof(double)];
                BinaryPrimitives.WriteDoubleBigEndian(bits, number);
                to.Write(bits);
                break;
            case ushort number:
                WriteHead(to, 5, sizeof(ushort));
                to.Write([(byte)(number >> 8), (byte)number]);
                break;
            case uint number:
                WriteHead(to, 6, sizeof(uint));
                var bytes = new byte[sizeof(uint)];
                BinaryPrimitives.WriteUInt32BigEndian(bytes, number);
                to.Write(bytes);
                break;
            case ulong number:
                WriteHead(to, 9, sizeof(ulong));
                var longBytes = new byte[sizeof(ulong)];
                BinaryPrimitives.WriteUInt64BigEndian(longBytes, number);
                to.Write(longBytes);
                break;
            case Dictionary<string, object> map:
                WriteHead(to, 7, map.Count);
                foreach (var (name, item) in map)
                {
                    Write(to, name);
                    Write(to, item);
                }

                break;
            case object[] array:
                WriteHead(to, 11, array.Length);
                foreach (var item in array)
                {
                    Write(to, item);
                }

                break;
        }
    }

    /// <summary>Three bits of type and five of size; types above 7 take a second byte.</summary>
    private static void WriteHead(MemoryStream to, int type, int size)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, 28);
        to.WriteByte((byte)((type > 7 ? 0 : type << 5) | size));
        if (type > 7)
        {
            to.WriteByte((byte)(type - 7));
        }
    }
}
