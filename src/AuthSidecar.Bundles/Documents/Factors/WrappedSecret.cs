namespace AuthSidecar.Bundles;

/// <summary>A secret that is encrypted, good only for the factor it was wrapped for.</summary>
/// <param name="Bytes">See <see cref="AesGcmEnvelope"/>.</param>
internal sealed record WrappedSecret(byte[] Bytes)
{
    public static WrappedSecret Wrap(ReadOnlySpan<byte> secret, FactorKey factor, byte[] wrappingKey) =>
        new(AesGcmEnvelope.Seal(wrappingKey, secret, ContextOf(factor)));

    /// <summary>Opens the secret; null when the key is another, or the secret was wrapped for another factor, or is none.</summary>
    public byte[]? TryUnwrap(FactorKey factor, byte[] wrappingKey) =>
        AesGcmEnvelope.TryOpen(wrappingKey, Bytes, ContextOf(factor)) is { Length: > 0 } secret ? secret : null;

    // Length first: two factors never share their context.
    private static byte[] ContextOf(FactorKey factor)
    {
        var subject = factor.Subject.ToString();
        return Encoding.UTF8.GetBytes($"{subject.Length}:{subject}{factor.FactorId}");
    }

    public override string ToString() => "***";
}
