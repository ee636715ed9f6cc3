using AuthSidecar.ControlPlane.Sidecars.Trust;

namespace AuthSidecar.ControlPlane.Sidecars.Enrolment;

/// <summary>A join token, as enrolment.proto describes it.</summary>
/// <param name="Id">What it is found by.</param>
/// <param name="Secret">256 random bits, base64url.</param>
internal sealed record JoinToken(string Id, string Secret)
{
    private const int IdBytes = 9;
    private const int SecretBytes = 32;

    public static JoinToken Create() =>
        new(Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(IdBytes)),
            Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes)));

    public byte[] SecretSha256 => SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(Secret));
    public string ToText(CertificateAuthority authority) => $"join.{Id}.{Secret}.{authority.KeyId}";
    public override string ToString() => "***";
}
