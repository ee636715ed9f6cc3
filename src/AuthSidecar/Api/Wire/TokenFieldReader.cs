namespace AuthSidecar.Api.Wire;

/// <summary>A token to validate, from this revision or a later one.</summary>
internal sealed record TokenValidationRequest(PresentedToken Token, Revision AtLeast);

/// <summary>Reads ValidateToken straight off the wire, and the tokens and proofs of other requests.</summary>
internal readonly struct TokenFieldReader(FieldViolations violations, VerifiedTokenCache known)
{
    private const int MaxScopes = 32;
    private const int MaxAudienceBytes = 256;

    private readonly ValueReader _values = new(violations);

    public TokenValidationRequest Read(ReadOnlySpan<byte> message)
    {
        FieldSlice token = default, audience = default, proof = default, revision = default;
        var scopes = 0;
        var reader = new MessageReader(message);
        while (reader.Next())
        {
            switch (reader.Tag)
            {
                case V1.ValidateTokenRequest.TokenFieldNumber << 3 | MessageReader.Bytes:
                    _values.Take(ref token, "token", reader.ReadBytes());
                    break;
                case V1.ValidateTokenRequest.AudienceFieldNumber << 3 | MessageReader.Bytes:
                    _values.Take(ref audience, "audience", reader.ReadBytes());
                    break;
                case V1.ValidateTokenRequest.RequiredScopesFieldNumber << 3 | MessageReader.Bytes: scopes++; goto default;
                case V1.ValidateTokenRequest.ProofFieldNumber << 3 | MessageReader.Bytes:
                    _values.Take(ref proof, "proof", reader.ReadBytes());
                    break;
                case V1.ValidateTokenRequest.AtLeastRevisionFieldNumber << 3 | MessageReader.Bytes:
                    _values.Take(ref revision, "at_least_revision", reader.ReadBytes());
                    break;
                default: reader.Skip(); break;
            }
        }

        violations.Length("audience", audience.Bytes.Length, MaxAudienceBytes);
        var request = ReadToken(token, ReadProof("proof", proof)) with
        {
            Audience = audience.Bytes.IsEmpty ? null : NameCache.GetName(audience.Bytes),
            RequiredScopes = violations.Count("required_scopes", scopes, MaxScopes) ? ReadScopes(message, scopes) : [],
        };
        return new TokenValidationRequest(request, _values.ReadRevision("at_least_revision", revision));
    }

    /// <param name="proof">What proves possession of the key it is bound to.</param>
    public PresentedToken ReadToken(FieldSlice token, (DpopRequest? Dpop, byte[] CertificateSha256) proof) =>
        new()
        {
            Token = new Secret(known.FindText(token.Bytes) ?? MessageReader.Decode(token.Bytes)),
            Dpop = proof.Dpop,
            CertificateSha256 = proof.CertificateSha256,
        };

    public (DpopRequest? Dpop, byte[] CertificateSha256) ReadProof(string at, FieldSlice proof) => proof.IsPresent
        ? new SignalReader(violations).ReadProof(at, RequestReader.Parse(V1.TokenProof.Parser, proof.Bytes))
        : (null, []);

    private static string[] ReadScopes(ReadOnlySpan<byte> message, int count)
    {
        var (scopes, index) = (count == 0 ? [] : new string[count], 0);
        var reader = new MessageReader(message);
        while (index < count && reader.Next())
        {
            if (reader.Tag == (V1.ValidateTokenRequest.RequiredScopesFieldNumber << 3 | MessageReader.Bytes))
                scopes[index++] = NameCache.GetName(reader.ReadBytes());
            else
                reader.Skip();
        }

        return scopes;
    }
}
