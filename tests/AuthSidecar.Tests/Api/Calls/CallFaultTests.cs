using System.Buffers.Binary;
using System.IO.Pipelines;
using AuthSidecar.Api.Calls;
using AuthSidecar.Tests.Testing;
using AuthSidecar.V1;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace AuthSidecar.Tests.Api.Calls;

/// <summary>
/// A fault at any step of a call, between its first byte and the last of its answer, is never an ALLOW. The check below is allowed as it stands.
/// </summary>
public sealed class CallFaultTests : IAsyncLifetime
{
    private const string Check = "/authsidecar.v1.AuthSidecarService/CheckPermission";

    private static readonly byte[] Allowed = new CheckPermissionRequest
    {
        Principal = new EntityUid { Type = "User", Id = "alice" },
        Action = new EntityUid { Id = "read" },
        Resource = new Entity { Uid = new EntityUid { Type = "Document", Id = "plan" } },
    }.ToByteArray();

    private readonly TestIssuer _issuer = new();
    private readonly FaultyTime _time = new();
    private TestBundle _bundle = null!;
    private TestSidecar _sidecar = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _bundle = new TestBundle(_issuer);
        _sidecar = await TestSidecar.StartAsync(_bundle, services => services.AddSingleton<TimeProvider>(_time));
        await _sidecar.WaitForRevisionAfterAsync(0);
    }

    public async ValueTask DisposeAsync()
    {
        await _sidecar.DisposeAsync();
        _bundle.Dispose();
        _issuer.Dispose();
    }

    [Theory]
    [InlineData("none", StatusCode.OK)]
    [InlineData("reading: the message is cut off", StatusCode.InvalidArgument)]
    [InlineData("reading: the connection breaks off", StatusCode.Cancelled)]
    [InlineData("reading: the length is negative", StatusCode.ResourceExhausted)]
    [InlineData("reading: the message is malformed", StatusCode.InvalidArgument)]
    [InlineData("staleness: the source is away", StatusCode.FailedPrecondition)]
    [InlineData("deciding: the clock fails", StatusCode.Internal)]
    [InlineData("deciding: the connection breaks off", StatusCode.Cancelled)]
    [InlineData("deciding: a second message comes", StatusCode.Unimplemented)]
    [InlineData("deadline: it passes", StatusCode.DeadlineExceeded)]
    [InlineData("writing: the connection breaks off", StatusCode.Internal)]
    [InlineData("writing: there are no trailers", StatusCode.Internal)]
    public async Task CheckPermission_FaultAtAnyStep_NeverAllows(string fault, StatusCode expected)
    {
        var frame = new byte[5 + Allowed.Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(1), (uint)Allowed.Length);
        Allowed.CopyTo(frame, 5);
        var (request, response) = (new Pipe(), new AnswerBody());
        var call = new Call(request, response);
        switch (fault)
        {
            case "reading: the message is cut off":
                frame = frame[..^1];
                break;
            case "reading: the connection breaks off":
                frame = frame[..^1];
                call.EndOfRequest = new IOException("reset");
                break;
            case "reading: the length is negative":
                frame.AsSpan(1, 4).Fill(0xff);
                break;
            case "reading: the message is malformed":
                frame[^1] = 0xff;
                break;
            case "staleness: the source is away":
                _time.Ahead = TimeSpan.FromMinutes(2);
                break;
            case "deciding: the clock fails":
                _time.UtcNow = () => throw new InvalidOperationException("no clock");
                break;
            case "deciding: the connection breaks off":
                _time.UtcNow = () => request.Reader.Complete(new IOException("reset"));
                break;
            case "deciding: a second message comes":
                _time.UtcNow = () => request.Writer.WriteAsync(frame).AsTask().Wait(Cancellation);
                call.HasMore = true;
                break;
            case "deadline: it passes":
                _time.UtcNow = () => _time.Passed = TimeSpan.FromSeconds(11);
                break;
            case "writing: the connection breaks off":
                response.Fails = true;
                break;
            case "writing: there are no trailers":
                call.Context.Features.Set<IHttpResponseTrailersFeature>(null);
                break;
        }

        await request.Writer.WriteAsync(frame, Cancellation);
        var status = await call.RunAsync(_sidecar.Services.GetRequiredService<UnaryEndpoints>(), _time);
        Assert.Equal(expected, status);
        if (status == StatusCode.OK)
            Assert.Equal(Decision.Allow, CheckPermissionResponse.Parser.ParseFrom(response.Written.WrittenSpan[5..]).Decision);
    }

    /// <summary>A call as the server hands it over.</summary>
    private sealed class Call
    {
        private readonly Pipe _request;

        public Call(Pipe request, AnswerBody response)
        {
            _request = request;
            Context.Features.Set<IHttpRequestFeature>(new HttpRequestFeature { RawTarget = Check, Method = "POST" });
            Context.Features.Set<IRequestBodyPipeFeature>(new RequestBody(request.Reader));
            Context.Features.Set<IHttpResponseBodyFeature>(response);
            Context.Features.Set<IHttpResponseTrailersFeature>(new Trailers());
            Context.Request.ContentType = "application/grpc";
        }

        public DefaultHttpContext Context { get; } = new();

        public Exception? EndOfRequest { get; set; }

        public bool HasMore { get; set; }

        public async Task<StatusCode> RunAsync(UnaryEndpoints endpoints, FaultyTime time)
        {
            if (!HasMore)
                await _request.Writer.CompleteAsync(EndOfRequest);

            var app = new ApplicationBuilder(new ServiceCollection().BuildServiceProvider());
            endpoints.Use(app);
            time.IsFaulty = true;
            await app.Build()(Context);
            time.IsFaulty = false;
            var headers = Context.Response.Headers["grpc-status"];
            var status = headers is [{ } failed] ? failed : Context.Features.Get<IHttpResponseTrailersFeature>()!.Trailers["grpc-status"].Single()!;
            return (StatusCode)int.Parse(status, System.Globalization.CultureInfo.InvariantCulture);
        }
    }

    private sealed class RequestBody(PipeReader reader) : IRequestBodyPipeFeature
    {
        public PipeReader Reader => reader;
    }

    private sealed class Trailers : IHttpResponseTrailersFeature
    {
        IHeaderDictionary IHttpResponseTrailersFeature.Trailers { get; set; } = new HeaderDictionary();
    }

    private sealed class AnswerBody : PipeWriter, IHttpResponseBodyFeature
    {
        public System.Buffers.ArrayBufferWriter<byte> Written { get; } = new();

        public bool Fails { get; set; }

        public Stream Stream => throw new NotSupportedException();

        public PipeWriter Writer => this;

        public override void Advance(int bytes) => Written.Advance(bytes);

        public override Memory<byte> GetMemory(int sizeHint = 0) => Fails ? throw new IOException("reset") : Written.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

        public override void CancelPendingFlush() => throw new NotSupportedException();

        public override void Complete(Exception? exception = null) => throw new NotSupportedException();

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public void DisableBuffering() => throw new NotSupportedException();

        public Task StartAsync(CancellationToken cancellationToken = default) => Task.CompletedTask;

        public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public Task CompleteAsync() => Task.CompletedTask;
    }

    /// <summary>The system's clock, until a call is under way.</summary>
    private sealed class FaultyTime : TimeProvider
    {
        private readonly AsyncLocal<bool> _isFaulty = new();

        /// <summary>For the call alone, and not for what else the sidecar does.</summary>
        public bool IsFaulty
        {
            get => _isFaulty.Value;
            set => _isFaulty.Value = value;
        }

        public Action? UtcNow { get; set; }

        public TimeSpan Ahead { get; set; }

        public TimeSpan Passed { get; set; }

        public override DateTimeOffset GetUtcNow()
        {
            if (!IsFaulty)
                return System.GetUtcNow();

            UtcNow?.Invoke();
            return System.GetUtcNow() + Ahead;
        }

        public override long GetTimestamp()
        {
            if (!IsFaulty)
                return System.GetTimestamp();

            return System.GetTimestamp() + (long)((Passed + Ahead).TotalSeconds * TimestampFrequency);
        }
    }
}
