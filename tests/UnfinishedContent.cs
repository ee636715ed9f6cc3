using System.Net;
using System.Net.Http.Headers;

namespace AuthSidecar;

/// <summary>The body of a gRPC call that is sent in part, and never ends by itself.</summary>
internal sealed class UnfinishedContent : HttpContent
{
    private readonly byte[] _part;

    public UnfinishedContent(byte[] part)
    {
        _part = part;
        Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(_part, cancellationToken);
        await stream.FlushAsync(cancellationToken);
        await Task.Delay(Timeout.Infinite, cancellationToken);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
