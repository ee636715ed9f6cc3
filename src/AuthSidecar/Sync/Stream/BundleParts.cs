using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.Sync.Stream;

/// <summary>The parts that came by the stream and the documents that are made of them. A part is found by its digest, which the signed
/// bundle names.</summary>
internal sealed class BundleParts
{
    /// <summary>How many bytes may be kept of parts that no bundle has named yet.</summary>
    public const long MaxBytes = 256 * 1024 * 1024;

    private readonly Dictionary<string, ByteString> _parts = new(StringComparer.Ordinal);
    private long _bytes;

    /// <summary>Takes in a part of a bundle to come.</summary>
    /// <exception cref="InvalidDataException">The parts exceed the limit in bytes.</exception>
    public void Add(Part part)
    {
        _bytes += part.Content.Length;
        if (_bytes > MaxBytes)
        {
            throw new InvalidDataException($"the control plane has sent more than {MaxBytes / (1024 * 1024)} MiB of parts for one update");
        }

        _parts[Convert.ToHexString(SHA256.HashData(part.Content.Span))] = part.Content;
    }

    /// <summary>Forgets them all.</summary>
    public void Clear()
    {
        _parts.Clear();
        _bytes = 0;
    }

    /// <summary>The documents of a bundle; null: a part is missing, or two documents have one path.</summary>
    /// <param name="parts">Receives its parts, in order.</param>
    /// <param name="faults">Receives what is wrong.</param>
    public BundleFiles? Assemble(Bundle bundle, List<ByteString> parts, List<Fault> faults)
    {
        var documents = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var document in bundle.Documents)
        {
            List<string> digests = [.. document.Parts.Select(p => Convert.ToHexString(p.Span))];
            if (digests.Exists(d => !_parts.ContainsKey(d)))
            {
                faults.Add(new Fault(document.Path, 0, 0, "incomplete update: a part of this document was not sent"));
                return null;
            }

            // There once, and not a byte more, since documents may be a good part of what memory there is: from here on the parts are
            // pieces of it.
            var (content, at) = (new byte[digests.Sum(d => _parts[d].Length)], 0);
            foreach (var digest in digests)
            {
                var part = _parts[digest];
                part.Span.CopyTo(content.AsSpan(at));
                _parts[digest] = UnsafeByteOperations.UnsafeWrap(content.AsMemory(at, part.Length));
                parts.Add(_parts[digest]);
                at += part.Length;
            }

            if (!documents.TryAdd(document.Path, content))
            {
                faults.Add(new Fault(document.Path, 0, 0, "duplicate document"));
                return null;
            }
        }

        return new BundleFiles(documents);
    }
}
