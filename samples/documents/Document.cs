using AuthSidecar.V1;

namespace Documents;

/// <summary>A document as the service stores it.</summary>
/// <param name="Owner">The id of the user who owns it.</param>
/// <param name="Tenant">The tenant it belongs to.</param>
/// <param name="Text">What it says.</param>
/// <param name="IsConfidential">Whether deleting it takes a second factor.</param>
internal sealed record Document(string Owner, string Tenant, string Text, bool IsConfidential = false)
{
    /// <summary>As policies see it.</summary>
    public Entity ToEntity(string id) => new()
    {
        Uid = new EntityUid { Type = "Document", Id = id },
        Attributes =
        {
            ["owner"] = new Value { Entity = new EntityUid { Type = "User", Id = Owner } },
            ["tenant"] = new Value { String = Tenant },
            ["confidential"] = new Value { Bool = IsConfidential },
        },
    };
}
