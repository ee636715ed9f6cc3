namespace AuthSidecar.Decisions;

/// <summary>The workload that calls, as its X.509-SVID on the connection names it.</summary>
internal sealed class Caller
{
    /// <param name="spiffeId">Its SPIFFE ID.</param>
    /// <param name="trustDomain">The trust domain of the ID.</param>
    /// <param name="principalType">The entity type of callers as principals; null: they are none.</param>
    public Caller(string spiffeId, string trustDomain, string? principalType)
    {
        SpiffeId = spiffeId;
        Principal = principalType is null ? null : new EntityUid(principalType, spiffeId);
        Context = ValueRecord.Create([new("spiffe_id", Value.Of(spiffeId)), new("trust_domain", Value.Of(trustDomain))]);
    }

    public string SpiffeId { get; }

    /// <summary>The principal of requests that name none; null: they have to.</summary>
    public EntityUid? Principal { get; }

    /// <summary><c>context.caller</c>.</summary>
    public ValueRecord Context { get; }
}
