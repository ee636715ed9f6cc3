namespace AuthSidecar.Tokens.Tests;

/// <summary>Subject alternative names in DER, as a CA may have written them.</summary>
public sealed class CertificateUrisTests
{
    private const string Uri = "spiffe://a.example/w";

    public static TheoryData<string, byte[], string[]?> Names => new()
    {
        { "none", Sequence(), [] },
        { "one", Sequence(Name(0x86, Uri)), [Uri] },
        { "two", Sequence(Name(0x86, Uri), Name(0x86, "https://b.example/")), [Uri, "https://b.example/"] },
        { "beside a DNS name", Sequence(Name(0x82, "spiffe.example"), Name(0x86, Uri)), [Uri] },
        { "a DNS name that looks like one", Sequence(Name(0x82, Uri)), [] },
        { "in an otherName", Sequence([0xa0, .. Name(0x86, Uri)[1..2], .. Name(0x86, Uri)[2..]]), [] },
        { "not ASCII", Sequence([0x86, 0x02, 0xc3, 0xa9]), null },
        { "constructed", Sequence([0xa6, 0x03, 0x16, 0x01, 0x61]), null },
        { "cut off", Sequence([0x86, 0x20, 0x61]), null },
        { "bytes behind it", [.. Sequence(Name(0x86, Uri)), 0x05, 0x00], null },
        { "indefinite length", [0x30, 0x80, .. Name(0x86, Uri), 0x00, 0x00], null },
        { "not a sequence", Name(0x86, Uri), null },
        { "empty", [], null },
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void Read_IsThatOfDer(string kind, byte[] value, string[]? uris)
    {
        Assert.NotEmpty(kind);
        Assert.Equal(uris, CertificateUris.Read(value));
    }

    private static byte[] Name(byte tag, string text) => [tag, (byte)text.Length, .. System.Text.Encoding.ASCII.GetBytes(text)];

    private static byte[] Sequence(params byte[][] names)
    {
        var content = names.SelectMany(n => n).ToArray();
        return [0x30, (byte)content.Length, .. content];
    }
}
