using AuthSidecar.Cedar;

namespace AuthSidecar.Tests.Bundles;

public sealed class StrictIpAddressTests
{
    [Theory]
    [InlineData("10.0.0.1", "10.0.0.1")]
    [InlineData("255.255.255.255", "255.255.255.255")]
    [InlineData("::1", "0:0:0:0:0:0:0:1")]
    [InlineData("2001:db8::1", "2001:db8:0:0:0:0:0:1")]
    [InlineData("::ffff:10.0.0.1", "10.0.0.1")]
    [InlineData("::FFFF:10.0.0.1", "10.0.0.1")]
    [InlineData("::ffff:a00:1", "10.0.0.1")]
    public void TryParse_Addresses_ReadAsOne(string text, string expected)
    {
        Assert.True(StrictIpAddress.TryParse(text, out var address));
        Assert.Equal(expected, address.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("0x7f.1")]
    [InlineData("0x7f000001")]
    [InlineData("017700000001")]
    [InlineData("127.1")]
    [InlineData("01.02.03.04")]
    [InlineData("1.2.3")]
    [InlineData("1.2.3.4.5")]
    [InlineData("256.0.0.1")]
    [InlineData("1.2.3.4 ")]
    [InlineData(" 1.2.3.4")]
    [InlineData("1.2.3.4\0")]
    [InlineData("1.2.3.4/32")]
    [InlineData("::ffff:10.0.0.1/128")]
    [InlineData("[::1]")]
    [InlineData("[::1]:80")]
    [InlineData("1.2.3.4:80")]
    [InlineData("fe80::1%eth0")]
    [InlineData("::ffff:1.2.3")]
    [InlineData("::1.2.3.4")]
    [InlineData("1::2::3")]
    [InlineData("12345::")]
    [InlineData("١.2.3.4")]
    [InlineData("localhost")]
    public void TryParse_AnythingElse_Refused(string text) => Assert.False(StrictIpAddress.TryParse(text, out _));

    [Fact]
    public void IsInRange_MappedAddress_IsInIpv4Range()
    {
        Assert.True(IpRange.TryParse("10.0.0.0/8", out var range));
        Assert.True(StrictIpAddress.TryParse("::ffff:10.0.0.1", out var address));
        Assert.True(address.IsInRange(range));
    }
}
