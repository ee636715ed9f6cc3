namespace AuthSidecar.Cedar.Tests.Extensions;

public sealed class ExtensionValueTests
{
    [Theory]
    [InlineData("0.0", 0)]
    [InlineData("-0.0", 0)]
    [InlineData("1.5", 15_000)]
    [InlineData("1.50", 15_000)]
    [InlineData("-12.3456", -123_456)]
    [InlineData("922337203685477.5807", long.MaxValue)]
    [InlineData("-922337203685477.5808", long.MinValue)]
    public void Decimal_Texts_ReadExactly(string text, long scaled)
    {
        Assert.True(CedarDecimal.TryParse(text, out var value));
        Assert.Equal(scaled, value.Scaled);
        Assert.True(CedarDecimal.TryParse(value.ToString(), out var again));
        Assert.Equal(value, again);
    }

    [Theory]
    [InlineData("1")]
    [InlineData("1.")]
    [InlineData(".5")]
    [InlineData("1.23456")]
    [InlineData("+1.0")]
    [InlineData("1.0 ")]
    [InlineData("--1.0")]
    [InlineData("1.0\0")]
    [InlineData("١.٠")]
    [InlineData("922337203685477.5808")]
    [InlineData("-922337203685477.5809")]
    [InlineData("99999999999999999999.0")]
    public void Decimal_OtherTexts_Refused(string text) => Assert.False(CedarDecimal.TryParse(text, out _));

    [Theory]
    [InlineData("1970-01-01", 0)]
    [InlineData("0000-01-01", -62_167_219_200_000)]
    [InlineData("0000-02-29", -62_162_121_600_000)]
    [InlineData("9999-12-31T23:59:59.999Z", 253_402_300_799_999)]
    [InlineData("1969-12-31T23:59:59.999Z", -1)]
    [InlineData("2024-02-29T12:00:00+0130", 1_709_202_600_000)]
    [InlineData("2024-02-29T12:00:00.001-2359", 1_709_294_340_001)]
    public void Datetime_Texts_ReadExactly(string text, long unixMs)
    {
        Assert.True(Instant.TryParse(text, out var value));
        Assert.Equal(unixMs, value.UnixMs);
    }

    [Theory]
    [InlineData("2023-02-29")]
    [InlineData("1900-02-29")]
    [InlineData("2024-13-01")]
    [InlineData("2024-00-01")]
    [InlineData("2024-01-32")]
    [InlineData("24-01-01")]
    [InlineData("10000-01-01")]
    [InlineData("2024-01-01T00:00:00")]
    [InlineData("2024-01-01T24:00:00Z")]
    [InlineData("2024-01-01T00:00:60Z")]
    [InlineData("2024-01-01T00:00:00.1Z")]
    [InlineData("2024-01-01T00:00:00+2400")]
    [InlineData("2024-01-01T00:00:00+0060")]
    [InlineData("2024-01-01T00:00:00+01:30")]
    [InlineData("2024-01-01 00:00:00Z")]
    [InlineData("2024-01-01T00:00:00z")]
    [InlineData("2024-1-1")]
    public void Datetime_OtherTexts_Refused(string text) => Assert.False(Instant.TryParse(text, out _));

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(1, 0, 1)]
    [InlineData(-1, -86_400_000, 86_399_999)]
    [InlineData(-86_400_000, -86_400_000, 0)]
    [InlineData(-86_400_001, -172_800_000, 86_399_999)]
    public void DateAndTime_BeforeAndAfter1970_FloorTowardsThePast(long unixMs, long date, long time)
    {
        Assert.True(new Instant(unixMs).TryToDate(out var midnight));
        Assert.Equal((date, time), (midnight.UnixMs, new Instant(unixMs).ToTime().TotalMs));
    }

    [Fact]
    public void ToDate_FirstDayThatBeganTooEarly_Refused()
    {
        Assert.False(new Instant(long.MinValue).TryToDate(out _));
        Assert.False(new Instant(long.MaxValue).TryOffset(new Duration(1), out _));
        Assert.False(new Instant(long.MinValue).TryDurationSince(new Instant(1), out _));
    }

    [Theory]
    [InlineData("1d2h3m4s5ms", 93_784_005)]
    [InlineData("0ms", 0)]
    [InlineData("-1s", -1_000)]
    [InlineData("1d1ms", 86_400_001)]
    [InlineData("9223372036854775807ms", long.MaxValue)]
    [InlineData("-9223372036854775808ms", long.MinValue)]
    [InlineData("-106751991167d7h12m55s808ms", long.MinValue)]
    public void Duration_Texts_ReadExactly(string text, long ms)
    {
        Assert.True(Duration.TryParse(text, out var value));
        Assert.Equal(ms, value.TotalMs);
        Assert.True(Duration.TryParse(value.ToString(), out var again));
        Assert.Equal(value, again);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-")]
    [InlineData("1")]
    [InlineData("1w")]
    [InlineData("1h1d")]
    [InlineData("1h1h")]
    [InlineData("h")]
    [InlineData("1 h")]
    [InlineData("+1h")]
    [InlineData("1d-1h")]
    [InlineData("9223372036854775808ms")]
    [InlineData("106751991168d")]
    public void Duration_OtherTexts_Refused(string text) => Assert.False(Duration.TryParse(text, out _));

    [Theory]
    [InlineData("10.0.0.1", "10.0.0.1")]
    [InlineData("10.0.0.1/32", "10.0.0.1")]
    [InlineData("10.0.0.0/8", "10.0.0.0/8")]
    [InlineData("0.0.0.0/0", "0.0.0.0/0")]
    [InlineData("::", "0:0:0:0:0:0:0:0")]
    [InlineData("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0")]
    [InlineData("::ffff:a00:1/96", "0:0:0:0:0:ffff:a00:1/96")]
    public void Ip_Texts_ReadAndWritten(string text, string written)
    {
        Assert.True(IpRange.TryParse(text, out var value));
        Assert.Equal(written, value.ToString());
        Assert.True(IpRange.TryParse(value.ToString(), out var again));
        Assert.Equal(value, again);
    }

    [Theory]
    [InlineData("10.0.0.01")]
    [InlineData("10.0.0.1/33")]
    [InlineData("10.0.0.1/08")]
    [InlineData("10.0.0.1/")]
    [InlineData("10.0.0.1\0")]
    [InlineData("61.11\0.14.14")]
    [InlineData("::1\0")]
    [InlineData("::ffff:10.0.0.1")]
    [InlineData("fe80::1%1")]
    [InlineData("1:2:3:4:5:6:7:8::")]
    [InlineData("1::2::3")]
    [InlineData(":1")]
    [InlineData("::/129")]
    public void Ip_OtherTexts_Refused(string text) => Assert.False(IpRange.TryParse(text, out _));

    [Theory]
    [InlineData("127.0.0.1", true, false)]
    [InlineData("127.0.0.0/8", true, false)]
    [InlineData("126.0.0.0/7", false, false)]
    [InlineData("224.0.0.0/4", false, true)]
    [InlineData("224.0.0.0/3", false, false)]
    [InlineData("::1", true, false)]
    [InlineData("::/127", false, false)]
    [InlineData("ff00::/8", false, true)]
    [InlineData("fe00::/7", false, false)]
    public void Ip_LoopbackAndMulticast_HoldForTheWholeRange(string text, bool loopback, bool multicast)
    {
        Assert.True(IpRange.TryParse(text, out var value));
        Assert.Equal((loopback, multicast), (value.IsLoopback, value.IsMulticast));
    }

    [Theory]
    [InlineData("10.1.2.3", "10.0.0.0/8", true)]
    [InlineData("10.0.0.0/8", "10.0.0.0/8", true)]
    [InlineData("10.0.0.0/7", "10.0.0.0/8", false)]
    [InlineData("11.0.0.0", "10.255.255.255/8", false)]
    [InlineData("::ffff:a00:1", "10.0.0.0/8", false)]
    [InlineData("2001:db8::1", "::/0", true)]
    public void Ip_IsInRange_OneKindInTheOther(string inner, string outer, bool expected)
    {
        Assert.True(IpRange.TryParse(inner, out var a));
        Assert.True(IpRange.TryParse(outer, out var b));
        Assert.Equal(expected, a.IsInRange(b));
    }
}
