using ICU4N.Text;

namespace AuthSidecar.ControlPlane.Identity.Passwords;

/// <summary>Passwords and sign-in names in the normalization form NFKC (SP 800-63B-4, section 3.1.1.2; UAX #15), so that what keyboards and
/// systems write in different ways is the same. The framework's own normalization does nothing without a system's ICU, and is another one
/// with another version of that.</summary>
internal sealed class Nfkc : ILookupNormalizer
{
    /// <summary>Longer than any password or name may be: left as it is, since long runs of combining characters take quadratic
    /// time.</summary>
    private const int MaxLength = 512;

    public static string Of(string text) => text.Length > MaxLength || Ascii.IsValid(text) ? text
        : Normalizer2.NFKCInstance.Normalize(text);

    [return: System.Diagnostics.CodeAnalysis.NotNullIfNotNull(nameof(name))]
    public string? NormalizeName(string? name) => name is null ? null : Of(name).ToUpperInvariant();

    [return: System.Diagnostics.CodeAnalysis.NotNullIfNotNull(nameof(email))]
    public string? NormalizeEmail(string? email) => NormalizeName(email);
}
