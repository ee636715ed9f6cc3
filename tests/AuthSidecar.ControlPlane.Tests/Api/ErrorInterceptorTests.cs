using AuthSidecar.ControlPlane.Api;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace AuthSidecar.ControlPlane.Tests.Api;

/// <summary>What escapes from a call of any kind is logged, and answered by a status without a word of it.</summary>
public sealed class ErrorInterceptorTests
{
    public static TheoryData<string> Kinds => new(typeof(Interceptor).GetMethods().Select(m => m.Name).Where(n => n.EndsWith("ServerHandler", StringComparison.Ordinal)));

    /// <summary>Also of kinds that later versions of gRPC may add.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void Handlers_OfEveryKind_AreGuarded(string handler) => Assert.Equal(typeof(ErrorInterceptor), typeof(ErrorInterceptor).GetMethod(handler)!.DeclaringType);

    [Fact]
    public async Task Exception_OfACall_IsLoggedAndNotTold()
    {
        var logger = new FakeLogger<ErrorInterceptor>();
        var refused = await Assert.ThrowsAsync<RpcException>(() => new ErrorInterceptor(TimeProvider.System, logger).GuardAsync<int>(
            "/method", () => throw new InvalidOperationException("secret"), CancellationToken.None));
        Assert.Equal(StatusCode.Internal, refused.StatusCode);
        Assert.DoesNotContain("secret", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Equal((LogLevel.Error, "secret"), (logger.LatestRecord.Level, logger.LatestRecord.Exception!.Message));
    }
}
