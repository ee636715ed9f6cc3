using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using AuthSidecar.Api.Wire;
using AuthSidecar.Tests.Testing;
using AuthSidecar.V1;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.Tests.Api.Calls;

/// <summary>The frames of a call, byte by byte (PROTOCOL-HTTP2 of gRPC): what a client that is not ours, or nobody's friend, may send.</summary>
public sealed class UnaryEndpointsTests : IAsyncLifetime
{
    private const string Validate = "/authsidecar.v1.AuthSidecarService/ValidateToken";

    private readonly TestIssuer _issuer = new();
    private TestBundle _bundle = null!;
    private TestSidecar _sidecar = null!;
    private HttpClient _http = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _bundle = new TestBundle(_issuer);
        _sidecar = await TestSidecar.StartAsync(_bundle);
        await _sidecar.WaitForRevisionAfterAsync(0);
        _http = _sidecar.CreateHttp();
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _sidecar.DisposeAsync();
        _bundle.Dispose();
        _issuer.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4096)]
    public async Task Message_InPieces_IsAnsweredAsOne(int piece)
    {
        var (status, answer, _) = await SendAsync(Validate, Frame(new ValidateTokenRequest { Token = _issuer.Issue(TimeProvider.System.GetUtcNow()).Reveal() }.ToByteArray()), piece);
        Assert.Equal(StatusCode.OK, status);
        Assert.True(ValidateTokenResponse.Parser.ParseFrom(answer).Valid);
    }

    [Fact]
    public async Task Frames_ThatAreNotOneMessage_Refused()
    {
        var message = new ValidateTokenRequest { Token = "a.b.c" }.ToByteArray();
        var frame = Frame(message);
        Assert.Equal(StatusCode.Unimplemented, await StatusAsync([]));
        Assert.Equal(StatusCode.InvalidArgument, await StatusAsync(frame[..4]));
        Assert.Equal(StatusCode.InvalidArgument, await StatusAsync(frame[..^1]));
        Assert.Equal(StatusCode.Unimplemented, await StatusAsync([.. frame, .. frame]));
        Assert.Equal(StatusCode.Unimplemented, await StatusAsync([.. frame, 0]));
        // Compressed, without a word on how; and no flag that there is.
        Assert.Equal(StatusCode.Internal, await StatusAsync([1, .. frame[1..]]));
        Assert.Equal(StatusCode.Internal, await StatusAsync([2, .. frame[1..]]));
        Assert.Equal(StatusCode.ResourceExhausted, await StatusAsync([0, 0xff, 0xff, 0xff, 0xff, .. message]));
        Assert.Equal(StatusCode.InvalidArgument, await StatusAsync(Frame([0xff])));
        Assert.Equal(StatusCode.OK, await StatusAsync(Frame([])));
        // Nothing of this has hurt anybody.
        Assert.Equal(StatusCode.OK, await StatusAsync(frame));

        async Task<StatusCode> StatusAsync(byte[] body) => (await SendAsync(Validate, body)).Status;
    }

    [Fact]
    public async Task Failure_AsTrailersOnly_HasItsReason()
    {
        var (status, _, headers) = await SendAsync(Validate, Frame([0xff]));
        Assert.Equal(StatusCode.InvalidArgument, status);
        Assert.Equal("malformed protobuf message", Uri.UnescapeDataString(headers.GetValues("grpc-message").Single()));
        var details = Google.Rpc.Status.Parser.ParseFrom(Convert.FromBase64String(headers.GetValues("grpc-status-details-bin").Single()));
        Assert.Equal("ERROR_REASON_MALFORMED_MESSAGE", details.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);
    }

    [Fact]
    public async Task Method_ThatThereIsNot_Unimplemented() =>
        Assert.Equal(StatusCode.Unimplemented, (await SendAsync("/authsidecar.v1.AuthSidecarService/Forget", Frame([]))).Status);

    [Fact]
    public async Task ContentType_OfAnotherProtocol_UnsupportedMediaType()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Validate) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new StringContent("{}") };
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, (await _http.SendAsync(request, Cancellation)).StatusCode);
    }

    [Theory]
    [InlineData("1H", 60_000)]
    [InlineData("2M", 60_000)]
    [InlineData("1M", 60_000)]
    [InlineData("3S", 3_000)]
    [InlineData("250m", 250)]
    [InlineData("5000u", 5)]
    [InlineData("4000000n", 4)]
    [InlineData("99999999H", 60_000)]
    [InlineData("00000000H", 0)]
    [InlineData(null, 10_000)]
    public void Limits_Timeout_IsReadAndKept(string? text, int milliseconds)
    {
        var time = new FakeTimeProvider();
        var limits = new CallDeadline(new DefaultHttpContext(), text, time);
        if (milliseconds > 0)
        {
            limits.ThrowIfOver();
            time.Advance(TimeSpan.FromMilliseconds(milliseconds - 1));
            limits.ThrowIfOver();
            time.Advance(TimeSpan.FromMilliseconds(1));
        }

        Assert.Equal(StatusCode.DeadlineExceeded, Assert.Throws<RpcException>(limits.ThrowIfOver).StatusCode);
        using var waiting = limits.BeginWait();
        Assert.True(waiting.IsCancellationRequested || waiting.Token.WaitHandle.WaitOne(TimeSpan.FromSeconds(5)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("-1S")]
    [InlineData("1.5S")]
    [InlineData("1s")]
    [InlineData("1")]
    [InlineData(" 1S")]
    [InlineData("100000000H")]
    public async Task Timeout_ThatIsNone_Refused(string text)
    {
        Assert.Equal(StatusCode.InvalidArgument, Assert.Throws<RpcException>(() => new CallDeadline(new DefaultHttpContext(), text, TimeProvider.System)).StatusCode);
        if (text.Trim().Length > 0)
        {
            var (status, _, _) = await SendAsync(Validate, Frame(new ValidateTokenRequest { Token = "a.b.c" }.ToByteArray()), headers: ("grpc-timeout", text.Trim() == "1S" ? "+1S" : text));
            Assert.Equal(StatusCode.InvalidArgument, status);
        }
    }

    [Fact]
    public async Task Compressed_WithItsEncoding_UnimplementedAndSaysWhatIsTaken()
    {
        var frame = Frame(new ValidateTokenRequest { Token = "a.b.c" }.ToByteArray());
        var (status, _, headers) = await SendAsync(Validate, [1, .. frame[1..]], headers: ("grpc-encoding", "gzip"));
        Assert.Equal((StatusCode.Unimplemented, "identity"), (status, headers.GetValues("grpc-accept-encoding").Single()));
    }

    [Theory]
    [InlineData("application/grpc", HttpStatusCode.OK)]
    [InlineData("application/grpc+proto", HttpStatusCode.OK)]
    [InlineData("application/grpc-web", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/grpcfoo", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/grpc+json", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/json", HttpStatusCode.UnsupportedMediaType)]
    public async Task ContentType_ToTheLetter(string type, HttpStatusCode expected)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Validate) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new ByteArrayContent(Frame([])) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(type);
        Assert.Equal(expected, (await _http.SendAsync(request, Cancellation)).StatusCode);
    }

    [Theory]
    [InlineData("/authsidecar.v1.authsidecarservice/validatetoken")]
    [InlineData("/authsidecar.v1.AuthSidecarService/ValidateToken/")]
    [InlineData("/authsidecar.v1.AuthSidecarService%2FValidateToken")]
    [InlineData("/authsidecar.v1.AuthSidecarService/ValidateToken?x=1")]
    [InlineData("/x/../authsidecar.v1.AuthSidecarService/Validatetoken")]
    [InlineData("/grpc.health.v1.health/check")]
    [InlineData("/grpc.health.v1.Health/Check/")]
    public async Task Path_ThatIsNotToTheLetter_Unimplemented(string path)
    {
        var (status, _, _) = await SendAsync(path, Frame([]));
        Assert.Equal(StatusCode.Unimplemented, status);
    }

    [Fact]
    public async Task Get_OfAMethod_NotAllowed()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Validate)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent([]) { Headers = { ContentType = new MediaTypeHeaderValue("application/grpc") } },
        };
        using var response = await _http.SendAsync(request, Cancellation);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
        Assert.Equal(["POST"], response.Content.Headers.Allow);
    }

    [Fact]
    public async Task Cancelled_InTheMidstOfTheMessage_IsNoErrorInTheLog()
    {
        for (var i = 0; i < 5; i++)
        {
            using var leaving = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
            using var request = new HttpRequestMessage(HttpMethod.Post, Validate)
            {
                Version = HttpVersion.Version20,
                VersionPolicy = HttpVersionPolicy.RequestVersionExact,
                Content = new UnfinishedContent(Frame(new byte[1000])[..500]),
            };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
            var sending = _http.SendAsync(request, leaving.Token);
            await Task.Delay(50, Cancellation);
            await leaving.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        }

        await SendAsync(Validate, Frame([]));
        Assert.DoesNotContain(_sidecar.Logs, l => l.StartsWith("Error", StringComparison.Ordinal) || l.Contains("Exception", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Messages_ThatNeverEnd_HeldWithinTheBudgetAndNotForLong()
    {
        const int Length = 1024 * 1024;
        const string Check = "/authsidecar.v1.AuthSidecarService/CheckPermission";
        var part = Frame(new byte[Length - 5])[..^1];
        var unfinished = Enumerable.Range(0, 80).Select(_ => SendAsync(Check, new UnfinishedContent(part))).ToList();
        // Those that there is no room for are told at once; small ones are answered all the while.
        Assert.Equal(StatusCode.ResourceExhausted, (await await Task.WhenAny(unfinished)).Status);
        Assert.Equal(StatusCode.OK, (await SendAsync(Validate, Frame([]))).Status);

        var statuses = (await Task.WhenAll(unfinished)).Select(s => s.Status).ToList();
        Assert.Equal(64, statuses.Count(s => s == StatusCode.DeadlineExceeded));
        Assert.Equal(16, statuses.Count(s => s == StatusCode.ResourceExhausted));
        // Room again: what is wrong now is the message.
        Assert.Equal(StatusCode.InvalidArgument, (await SendAsync(Check, Frame(new byte[Length - 5]), piece: 16 * 1024)).Status);
    }

    [Fact]
    public async Task Violations_UnderLongNames_StayWithinWhatClientsTake()
    {
        var name = new string('é', 120);
        var value = new Value { Record = new RecordValue() };
        for (var depth = 0; depth < 14; depth++)
        {
            value = new Value { Record = new RecordValue { Fields = { [name] = value } } };
        }

        var request = new CheckPermissionRequest { Token = "a.b.c", Action = new EntityUid { Id = "read" }, Resource = new Entity { Uid = new EntityUid { Type = "D", Id = "x" } } };
        for (var i = 0; i < 100; i++)
        {
            var wrong = new Value { Decimal = "wrong" };
            for (var depth = 0; depth < 14; depth++)
            {
                wrong = new Value { Record = new RecordValue { Fields = { [name] = wrong } } };
            }

            request.Context[$"{i}{name}"] = wrong;
        }

        var (status, _, headers) = await SendAsync("/authsidecar.v1.AuthSidecarService/CheckPermission", Frame(request.ToByteArray()));
        Assert.Equal(StatusCode.InvalidArgument, status);
        Assert.InRange(headers.Sum(h => h.Key.Length + h.Value.Sum(v => v.Length) + 32), 1, 8 * 1024 - 512);
    }

    [Fact]
    public void Limits_CallerWhoHasGone_IsNotAnswered()
    {
        using var aborted = new CancellationTokenSource();
        var limits = new CallDeadline(new DefaultHttpContext { RequestAborted = aborted.Token }, timeout: null, TimeProvider.System);
        limits.ThrowIfOver();
        aborted.Cancel();
        Assert.Equal(StatusCode.Cancelled, Assert.Throws<RpcException>(limits.ThrowIfOver).StatusCode);
    }

    private static byte[] Frame(byte[] message)
    {
        var frame = new byte[5 + message.Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(1), (uint)message.Length);
        message.CopyTo(frame, 5);
        return frame;
    }

    private Task<(StatusCode Status, byte[] Answer, HttpResponseHeaders Headers)> SendAsync(string path, byte[] body, int? piece = null, params (string Name, string Value)[] headers) =>
        SendAsync(path, piece is { } size ? new PiecesContent(body, size) : new ByteArrayContent(body), headers);

    private async Task<(StatusCode Status, byte[] Answer, HttpResponseHeaders Headers)> SendAsync(string path, HttpContent content, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        using var response = await _http.SendAsync(request, Cancellation);
        var answer = await response.Content.ReadAsByteArrayAsync(Cancellation);
        var status = response.Headers.TryGetValues("grpc-status", out var only) ? only : response.TrailingHeaders.GetValues("grpc-status");
        return ((StatusCode)int.Parse(status.Single(), System.Globalization.CultureInfo.InvariantCulture), answer.Length > 5 ? answer[5..] : [], response.Headers);
    }

    private sealed class PiecesContent(byte[] body, int size) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            foreach (var piece in body.Chunk(size).Take(64).Append(body.Skip(64 * size).ToArray()))
            {
                await stream.WriteAsync(piece);
                await stream.FlushAsync();
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
