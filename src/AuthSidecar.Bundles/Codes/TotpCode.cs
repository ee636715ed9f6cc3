using OtpNet;

namespace AuthSidecar.Bundles;

/// <summary>Time-based one-time passwords (RFC 6238).</summary>
internal static class TotpCode
{
    public const int SecretBytes = 20;
    public const int Digits = 6;
    private const int StepSeconds = 30;

    /// <summary>One step each way, for clocks and slow fingers (RFC 6238, section 5.2).</summary>
    private const int Drift = 1;

    public static long StepAt(DateTimeOffset time) => time.ToUnixTimeSeconds() / StepSeconds;
    public static string Compute(byte[] secret, long step) => new Hotp(secret, OtpHashMode.Sha1, Digits).ComputeHOTP(step);

    /// <summary>The step whose code this is. All candidates are compared, each in constant time, so that the time taken does not tell which
    /// one was near.</summary>
    public static long? FindStep(byte[] secret, string typed, DateTimeOffset now)
    {
        var code = Encoding.ASCII.GetBytes(Canonical(typed));
        long? found = null;
        for (var step = StepAt(now) - Drift; step <= StepAt(now) + Drift; step++)
        {
            var matches = CryptographicOperations.FixedTimeEquals(code, Encoding.ASCII.GetBytes(Compute(secret, step)));
            found = matches ? step : found;
        }

        return found;
    }

    /// <summary>Digits only, before anything is looked up: a code must not pass twice for being typed in two ways. Anything but digits,
    /// spaces and dashes makes it a code that matches nothing.</summary>
    private static string Canonical(string typed)
    {
        var digits = typed.Replace(" ", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal);
        return digits.Length == Digits && digits.All(char.IsAsciiDigit) ? digits : new string('x', Digits);
    }

    /// <summary>What authenticator apps read from a QR code (the Key URI format).</summary>
    public static string ToUri(byte[] secret, string issuer, string account) => string.Create(
        CultureInfo.InvariantCulture,
        $"otpauth://totp/{Uri.EscapeDataString(issuer)}:{Uri.EscapeDataString(account)}?secret="
            + $"{Base32Encoding.ToString(secret).TrimEnd('=')}&issuer={Uri.EscapeDataString(issuer)}&algorithm=SHA1&digits="
            + $"{Digits}&period={StepSeconds}");

    /// <summary>The secret in such a URI; null when there is none.</summary>
    public static byte[]? TryReadUri(string text)
    {
        const string Scheme = "otpauth";
        const string Secret = "secret=";
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme != Scheme)
            return null;

        var secret = uri.Query.TrimStart('?').Split('&').FirstOrDefault(p => p.StartsWith(Secret, StringComparison.Ordinal));
        try
        {
            return secret is null ? null : Base32Encoding.ToBytes(secret[Secret.Length..]);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }
}
