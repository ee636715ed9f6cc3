using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Import;

/// <summary>Takes in bundles, part by part.</summary>
internal sealed class BundleService(BundleImporter importer, Applications applications) : V1.BundleService.BundleServiceBase
{
    private const int MaxFiles = 10_000;

    public override async Task<ImportBundleResponse> ImportBundle(
        IAsyncStreamReader<ImportBundleRequest> requestStream, ServerCallContext context)
    {
        var cancellation = context.CancellationToken;
        if (!await requestStream.MoveNext(cancellation) || requestStream.Current.Header is not { } header)
            throw ApiErrors.InvalidField("header", "must be the first message");

        var (caller, application) = (Caller.Of(context), RequestChecks.Name(header.Application, "header.application"));
        // Before anything is kept for somebody who may not write it.
        BundleImporter.RequirePermission(caller, application);
        if (!header.Create && !await applications.ExistsAsync(application, cancellation))
            throw ApiErrors.ApplicationUnknown(application);

        var message = RequestChecks.Message(header.Message);
        var files = await ReadAsync(requestStream, cancellation);
        // It takes its time, and its sender may have been removed meanwhile.
        return await importer.ImportAsync(await caller.AgainAsync(), application, files, message, cancellation);
    }

    private static async Task<Bundles.BundleFiles> ReadAsync(IAsyncStreamReader<ImportBundleRequest> stream, CancellationToken cancellation)
    {
        var (parts, bytes) = (new Dictionary<string, MemoryStream>(StringComparer.Ordinal), 0L);
        while (await stream.MoveNext(cancellation))
        {
            var part = stream.Current.Part ?? throw ApiErrors.InvalidField("part", "expected after the header");
            if (part.Path.Length is 0 or > 512 || part.Path.Split('/').Any(s => s.Length == 0 || s[0] == '.'))
                throw ApiErrors.InvalidField("part.path", "invalid path: expected a relative path with `/`, without hidden names");

            bytes += part.Content.Length;
            if (bytes > FolderListing.MaxBytes)
                throw ApiErrors.InvalidField("part.content", $"bundle too large: limit {FolderListing.MaxBytes / (1024 * 1024)} MiB");

            if (!parts.TryGetValue(part.Path, out var content))
            {
                parts.Add(part.Path, content = parts.Count < MaxFiles ? new MemoryStream()
                    : throw ApiErrors.InvalidField("part.path", $"too many files: limit {MaxFiles}"));
            }

            content.Write(part.Content.Span);
        }

        return new Bundles.BundleFiles(
            new SortedDictionary<string, byte[]>(parts.ToDictionary(p => p.Key, p => p.Value.ToArray()), StringComparer.Ordinal));
    }
}
