using AuthSidecar.Risk;

namespace AuthSidecar.Decisions;

/// <summary>The context that policies see: what the caller sent, and four attributes of ours that no caller can set. <c>now</c> is a
/// datetime. <c>token</c> has what a verified token, and a verified proof of a second factor, say about the authentication. <c>risk</c> is
/// the assessment, when signals were sent. <c>caller</c> is the workload that calls, where its certificate says so. Their types:
/// <see cref="ContextContract"/>.</summary>
internal static class RequestContext
{
    public static ValueRecord Create(
        ValueRecord given,
        VerifiedToken? token,
        VerifiedToken? mfaProof,
        RiskAssessment? risk,
        Caller? caller,
        DateTimeOffset now)
    {
        var hasToken = token is not null || mfaProof is not null;
        var fields = new ValueRecordBuilder(given.Count + 1 + (hasToken ? 1 : 0) + (risk is null ? 0 : 1) + (caller is null ? 0 : 1));
        foreach (ref readonly var field in given.Fields)
            fields.Add(field.Key, field.Value);

        fields.Add(ContextContract.Now, Value.Of(new Instant(now.ToUnixTimeMilliseconds())));
        if (hasToken)
        {
            var record = token is not null && mfaProof is null ? TokenFacts.Of(token).Context : TokenRecord(token, mfaProof);
            fields.Add(ContextContract.Token, Value.Of(record));
        }

        if (risk is not null)
            fields.Add(ContextContract.Risk, Value.Of(RiskRecord(risk)));

        if (caller is not null)
            fields.Add(ContextContract.Caller, Value.Of(caller.Context));

        return fields.ToRecord();
    }

    /// <summary>The proof is the later and stronger authentication: its methods add to the token's, its class and time replace
    /// them.</summary>
    internal static ValueRecord TokenRecord(VerifiedToken? token, VerifiedToken? proof)
    {
        var fields = new List<KeyValuePair<string, Value>>();
        if (token is not null)
        {
            fields.Add(new("iss", Value.Of(token.Issuer.Name)));
            fields.Add(new("sub", Value.Of(token.Subject)));
            fields.Add(new("aud", Strings(token.Audiences)));
            fields.Add(new("scope", Strings(token.Scopes)));
            fields.Add(new("exp", Time(token.ExpiresAt)));
            fields.Add(new("iat", Time(token.IssuedAt)));
            AddIfAny("client_id", token.ClientId);
            AddIfAny("sid", token.SessionId);
        }

        fields.Add(new("amr", Strings([.. token?.AuthenticationMethods ?? [], .. proof?.AuthenticationMethods ?? []])));
        AddIfAny("acr", proof?.AuthenticationContext ?? token?.AuthenticationContext);
        if ((proof?.AuthenticatedAt ?? token?.AuthenticatedAt) is { } authenticatedAt)
            fields.Add(new("auth_time", Time(authenticatedAt)));

        return ValueRecord.Create([.. fields]);

        void AddIfAny(string name, string? value)
        {
            if (value is not null)
                fields.Add(new(name, Value.Of(value)));
        }
    }

    private static ValueRecord RiskRecord(RiskAssessment risk) => ValueRecord.Create(
    [
        new("score", Value.Of((long)risk.Score)),
        new("level", Value.Of(risk.Level.ToString().ToLowerInvariant())),
        new("recommended", Value.Of(risk.Recommended switch { Decision.Allow => "allow", Decision.StepUp => "step_up", _ => "deny" })),
        new("factors", Value.Of(
            ValueRecord.Create([.. risk.Factors.Select(f => KeyValuePair.Create(f.Name, Value.Of((long)f.Contribution)))]))),
    ]);

    private static Value Strings(string[] strings) => Value.Of(ValueSet.Create([.. strings.Select(Value.Of)]));
    private static Value Time(long seconds) => Value.Of(new Instant(seconds * 1000));
}
