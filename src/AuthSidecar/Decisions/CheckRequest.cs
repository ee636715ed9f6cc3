using AuthSidecar.Policies;
using AuthSidecar.Risk;

namespace AuthSidecar.Decisions;

/// <summary>A request to decide, well-formed: whoever makes one has checked sizes and parsed names.</summary>
internal sealed record CheckRequest
{
    /// <summary>The token that names the principal; null when the caller names it itself.</summary>
    public PresentedToken? Token { get; init; }

    /// <summary>The principal: named by the request, or the caller; null when the token names it.</summary>
    public EntityUid? Principal { get; init; }

    /// <summary>The workload that asks; null when the connection does not tell.</summary>
    public Caller? Caller { get; init; }

    public required EntityUid Action { get; init; }
    public required EntityUid Resource { get; init; }

    /// <summary>The resource and other entities that the request brings along.</summary>
    public RequestEntity[] Entities { get; init; } = [];

    /// <summary>What the caller knows of the request; without the names that are ours.</summary>
    public ValueRecord Context { get; init; } = ValueRecord.Empty;

    public RiskSignals? RiskSignals { get; init; }
    public Secret MfaProof { get; init; }
    public bool Explain { get; init; }

    /// <summary>To be answered from this revision or a later one; the default: from whichever there is.</summary>
    public Revision AtLeast { get; init; }
}
