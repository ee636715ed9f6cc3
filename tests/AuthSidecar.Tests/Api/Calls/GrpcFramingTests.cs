using AuthSidecar.Api.Calls;

namespace AuthSidecar.Tests.Api.Calls;

public sealed class GrpcFramingTests
{
    [Fact]
    public void Message_OfAStatus_EscapesWhatItMust() =>
        Assert.Equal("used, and so: context.c %25 %C3%A9%0A", GrpcFraming.PercentEncode("used, and so: context.c % é\n"));
}
