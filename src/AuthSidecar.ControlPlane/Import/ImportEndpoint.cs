using System.Buffers;
using System.IO.Pipelines;
using AuthSidecar.ControlPlane.Administrators.Access;
using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.V1;
using Microsoft.AspNetCore.Http.Features;
using HttpResponse = Microsoft.AspNetCore.Http.HttpResponse;

namespace AuthSidecar.ControlPlane.Import;

/// <summary>The one call that HTTP/JSON has no form for, a stream both ways, as lines of JSON: each a message.</summary>
internal static class ImportEndpoint
{
    private const string Path = "/v1/entities:import";
    private const string NdJson = "application/x-ndjson";
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private const int MaxLineBytes = 4 * 1024 * 1024;

    /// <summary>Between two words on how far it is: a client may well read none of them before it has sent everything.</summary>
    private const int ProgressEvery = 10_000;

    public static IEndpointConventionBuilder MapImport(this WebApplication app) => app
        .MapPost(Path, RunAsync)
        .WithName("ImportEntities")
        .WithTags("EntityService")
        .WithSummary(
            "WriteEntities for more changes than one message may have: one message per line, with some thousand changes each. All of them "
                + "become active in one transaction after the last line. An error after the first line of the response is its last line, "
                + "`error`.")
        // Whatever a client says that it is: `curl --data-binary` says that it is a form.
        .Accepts<ImportEntitiesRequest>(NdJson, "*/*")
        .Produces<ImportEntitiesResponse>(contentType: NdJson);

    private static async Task RunAsync(HttpContext context, EntityImport import, AccessInterceptor access, ErrorInterceptor failures)
    {
        try
        {
            await failures.GuardAsync(Path, () => ImportAsync(context, import, access), context.RequestAborted);
        }
        catch (RpcException e)
        {
            await FailAsync(context, e);
        }
    }

    private static async Task<bool> ImportAsync(HttpContext context, EntityImport import, AccessInterceptor access)
    {
        var (caller, cancellation, told) = (Caller.Of(context), context.RequestAborted, 0UL);
        // As long as it has few enough entities: they are counted.
        context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = null;
        await foreach (var progress in import.RunAsync(caller, CheckedAsync(), cancellation))
        {
            if (progress.Revision.Length > 0 || progress.Received >= told + ProgressEvery)
            {
                context.Response.ContentType ??= NdJson;
                await WriteAsync(context.Response, string.Create(CultureInfo.InvariantCulture,
                    $"{{\"received\":{progress.Received},\"revision\":\"{progress.Revision}\"}}"), cancellation);
                told = progress.Received;
            }
        }

        return true;

        async IAsyncEnumerable<ImportEntitiesRequest> CheckedAsync()
        {
            await foreach (var message in ReadAsync(context.Request.BodyReader, cancellation))
            {
                await access.CheckAsync(caller, message, cancellation);
                yield return message;
            }
        }
    }

    private static async IAsyncEnumerable<ImportEntitiesRequest> ReadAsync(
        PipeReader body, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var number = 0;
        while (true)
        {
            var read = await body.ReadAsync(cancellation);
            var (lines, rest) = (new List<byte[]>(), read.Buffer);
            while (TryTakeLine(ref rest, read.IsCompleted, out var line))
                lines.Add(line.ToArray());

            // Given back before anything is made of it: what goes wrong below leaves a body that can still be drained.
            var isTooLong = rest.Length > MaxLineBytes;
            body.AdvanceTo(rest.Start, rest.End);
            foreach (var line in lines)
            {
                number++;
                if (line.Length > 0)
                    yield return Parse(line, number);
            }

            if (isTooLong)
                throw ApiErrors.InvalidField($"line {number + 1}", $"line too long: limit {MaxLineBytes / (1024 * 1024)} MiB");

            if (read.IsCompleted)
                yield break;
        }
    }

    private static bool TryTakeLine(ref ReadOnlySequence<byte> rest, bool isLast, out ReadOnlySequence<byte> line)
    {
        if (rest.PositionOf((byte)'\n') is { } end)
        {
            (line, rest) = (rest.Slice(0, end), rest.Slice(rest.GetPosition(1, end)));
            return true;
        }

        line = rest;
        if (!isLast || rest.IsEmpty)
            return false;

        rest = rest.Slice(rest.End);
        return true;
    }

    private static ImportEntitiesRequest Parse(byte[] line, int number)
    {
        try
        {
            return ImportEntitiesRequest.Parser.ParseJson(Strict.GetString(line));
        }
        catch (DecoderFallbackException)
        {
            throw ApiErrors.InvalidField($"line {number}", "not valid UTF-8");
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or InvalidJsonException)
        {
            throw ApiErrors.InvalidField(
                $"line {number}", "expected JSON of the form `{\"entities\": [{\"json\", \"application\", \"tenant\"}], \"removed\": []}`");
        }
    }

    private static Task FailAsync(HttpContext context, RpcException failure) => context.Response.HasStarted
        ? WriteAsync(context.Response, $"{{ \"error\": {ErrorResponse.ToJson(failure)} }}", CancellationToken.None)
        : ErrorResponse.WriteAsync(context, failure);

    private static async Task WriteAsync(HttpResponse response, string line, CancellationToken cancellation)
    {
        await response.WriteAsync(line + "\n", cancellation);
        await response.Body.FlushAsync(cancellation);
    }
}
