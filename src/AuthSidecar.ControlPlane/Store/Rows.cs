using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>The only row of its table: the newest revision. Whoever writes takes the next one first, and so is alone until the end.</summary>
internal sealed class HeadRow
{
    public const int OnlyId = 1;

    public int Id { get; set; } = OnlyId;

    public long Revision { get; set; }

    /// <summary>The history that the store is in; 0: it has not begun.</summary>
    public long History { get; set; }

    /// <summary>The history of what a sidecar has proved that there was, and there is not: the store was put back. 0: nothing.</summary>
    public long LostHistory { get; set; }

    /// <summary>Its number.</summary>
    public long LostRevision { get; set; }

    /// <summary>The number of the newest revision that there was when that was first proved: what came later may be of either line.</summary>
    public long LostAt { get; set; }

    /// <summary>How many writes there were about what no sidecar decides from: who is enrolled. They have a count of their own, and no revision.</summary>
    public long Notes { get; set; }
}

/// <summary>The documents of a type of resource, as they were published for an application. Never changed: the newest counts.</summary>
internal sealed class PublicationRow
{
    public required string Application { get; set; }

    public required ResourceType Type { get; set; }

    public required long Revision { get; set; }

    public required long AtMs { get; set; }

    public required string Author { get; set; }

    public required string Message { get; set; }

    /// <summary>The revision whose documents these are, where an old one was published again.</summary>
    public long? RestoredFrom { get; set; }

    /// <summary>A serialised <see cref="DocumentSet"/>.</summary>
    public required byte[] Documents { get; set; }
}

/// <summary>
/// An entity, for an application and a tenant. One that was removed, or went to others, stays as a tombstone, for those who have yet to hear of it.
/// </summary>
internal sealed class EntityRow
{
    public required string Type { get; set; }

    public required string Id { get; set; }

    /// <summary>The application whose sidecars have it; empty: those of all.</summary>
    public required string Application { get; set; }

    /// <summary>The tenant whose sidecars have it; empty: those of all.</summary>
    public required string Tenant { get; set; }

    public required long Revision { get; set; }

    public required bool IsRemoved { get; set; }

    /// <summary>In Cedar's JSON format of entities; empty in a tombstone.</summary>
    public required string Json { get; set; }
}

/// <summary>
/// A resource that is written by itself: an issuer, a revocation, the second factors of a subject, risk settings, a risk profile. Like an entity it
/// has an application and a tenant, and leaves a tombstone.
/// </summary>
internal sealed class ResourceRow
{
    public required ResourceType Type { get; set; }

    /// <summary>What it is of its type: the name of an issuer, the uid of a subject.</summary>
    public required string Key { get; set; }

    /// <summary>The application whose sidecars have it; empty: those of all.</summary>
    public required string Application { get; set; }

    /// <summary>The tenant whose sidecars have it; empty: those of all.</summary>
    public required string Tenant { get; set; }

    public required long Revision { get; set; }

    public required bool IsRemoved { get; set; }

    /// <summary>As it is written in the documents of a bundle; empty in a tombstone.</summary>
    public required string Json { get; set; }

    /// <summary>When it means nothing any more and may go without a trace; null: never.</summary>
    public long? ExpiresAtMs { get; set; }
}

/// <summary>A token that sidecars enrol with.</summary>
internal sealed class JoinTokenRow
{
    public required string Id { get; set; }

    /// <summary>No salt and no stretching: nobody guesses 256 random bits.</summary>
    public required byte[] SecretSha256 { get; set; }

    public required string Application { get; set; }

    public required string Tenant { get; set; }

    public required long ExpiresAtMs { get; set; }

    public required int UsesLeft { get; set; }

    /// <summary>How many sidecars it was made for.</summary>
    public required int Uses { get; set; }

    public required long CreatedAtMs { get; set; }

    /// <summary>Whether who enrols with it takes the name of a sidecar that is connected.</summary>
    public required bool IsReplacing { get; set; }

    /// <summary>The one name that it is good for; empty: any.</summary>
    public required string Name { get; set; }
}

/// <summary>A code with which somebody becomes the first administrator, known by its hash.</summary>
internal sealed class ClaimCodeRow
{
    public required string CodeSha256 { get; set; }

    public required long ExpiresAtMs { get; set; }
}

/// <summary>A sidecar that has enrolled: only its newest certificate admits it, and the one before, until the newest has been used.</summary>
internal sealed class SidecarRow
{
    public required string Application { get; set; }

    public required string Tenant { get; set; }

    public required string Name { get; set; }

    /// <summary>That of the newest change to what admits it.</summary>
    public required long Note { get; set; }

    /// <summary>The serial number of its certificate.</summary>
    public required string Serial { get; set; }

    /// <summary>The SHA-256 of the previous certificate, base64url, which is accepted until the current one is used; empty: none.</summary>
    public required string PreviousSha256 { get; set; }

    /// <summary>Its certificate, in PEM: whoever asks again with the same key, since the answer was lost, gets the same.</summary>
    public required string Certificate { get; set; }

    /// <summary>The SHA-256 of its key (SubjectPublicKeyInfo), base64url.</summary>
    public required string KeySha256 { get; set; }

    /// <summary>The uid of the pod that it enrolled as; empty: it enrolled with a join token.</summary>
    public string PodUid { get; set; } = "";

    /// <summary>The issuer of that pod's cluster, and its namespace: a name is another's in another one; empty: it enrolled with a join token.</summary>
    public string PodNamespace { get; set; } = "";

    /// <summary>From when on its certificate is valid: which of two is the newer one.</summary>
    public required long ValidFromMs { get; set; }

    public required long ExpiresAtMs { get; set; }

    public required long EnrolledAtMs { get; set; }

    /// <summary>When a node last knew it to be there; to half a minute.</summary>
    public long HeardAtMs { get; set; }

    /// <summary>The node that it is connected to; empty: none.</summary>
    public string ConnectedTo { get; set; } = "";

    /// <summary>How it fared when that node last told (a <see cref="Sidecar"/>); null: none has.</summary>
    public byte[]? Report { get; set; }

    public required bool IsRemoved { get; set; }
}

/// <summary>Somebody's session with a browser: it ends when nobody uses it, at its absolute end, or when somebody ends it.</summary>
internal sealed class SessionRow
{
    public required string Id { get; set; }

    public required string AccountId { get; set; }

    /// <summary>What the browser has is found by its hash: nobody guesses 256 random bits.</summary>
    public required string SecretSha256 { get; set; }

    public required long AuthenticatedAtMs { get; set; }

    /// <summary>When it was last used; to the minute.</summary>
    public required long SeenAtMs { get; set; }

    /// <summary>When it ends, however much it is used.</summary>
    public required long EndsAtMs { get; set; }

    /// <summary>How they have authenticated (RFC 8176), with spaces between.</summary>
    public required string Methods { get; set; }

    /// <summary>What the browser says of itself.</summary>
    public required string UserAgent { get; set; }

    public required string Address { get; set; }

    public long? EndedAtMs { get; set; }

    /// <summary>Why it was ended, for the one whom it is ended for.</summary>
    public string EndedBecause { get; set; } = "";
}

/// <summary>
/// What an account has granted a client in a session, and the family of its refresh tokens: one generation of them is good, and the next one takes its place.
/// </summary>
internal sealed class GrantRow
{
    /// <summary>Random; the <c>sid</c> of its access tokens.</summary>
    public required string Id { get; set; }

    public required string SessionId { get; set; }

    public required string AccountId { get; set; }

    public required string ClientId { get; set; }

    /// <summary>With spaces between.</summary>
    public required string Scopes { get; set; }

    /// <summary>When they had authenticated as it began: in its session they may have done so again since (OpenID Connect Core, section 12.2).</summary>
    public required long AuthenticatedAtMs { get; set; }

    /// <summary>How they had authenticated as it began (RFC 8176), with spaces between.</summary>
    public required string Methods { get; set; }

    /// <summary>The thumbprint of the key that its refresh tokens are bound to; empty: they are bound to the client, which authenticates.</summary>
    public required string DeviceKey { get; set; }

    /// <summary>That of the refresh token that is good.</summary>
    public required long Generation { get; set; }

    /// <summary>When that one was made.</summary>
    public required long RotatedAtMs { get; set; }

    /// <summary>When it expires.</summary>
    public required long ExpiresAtMs { get; set; }

    public long? EndedAtMs { get; set; }
}

/// <summary>A provider elsewhere that people may sign in with.</summary>
internal sealed class UpstreamRow
{
    public required string Id { get; set; }

    /// <summary>The provider, as the administration API has it.</summary>
    public required string Json { get; set; }

    /// <summary>What we authenticate with there, under a data key.</summary>
    public required byte[] Sealed { get; set; }

    /// <summary>At which it last changed.</summary>
    public required long Revision { get; set; }
}

/// <summary>The newest step of an authenticator app that somebody has signed in with: none up to it is good any more.</summary>
internal sealed class UsedStepRow
{
    public required string AccountId { get; set; }

    public required string FactorId { get; set; }

    public required long Step { get; set; }
}

/// <summary>A key of ASP.NET Core's data protection, with which forms and cookies of pages are protected.</summary>
internal sealed class DataProtectionKeyRow
{
    public required string Name { get; set; }

    /// <summary>Its XML, under a data key.</summary>
    public required byte[] Sealed { get; set; }
}

/// <summary>What all nodes have to agree on, by its name.</summary>
internal sealed class SettingRow
{
    public required string Name { get; set; }

    public required string Value { get; set; }
}

/// <summary>A data key under the master key of the vault.</summary>
internal sealed class DataKeyRow
{
    public required string Name { get; set; }

    public required string MasterKeyId { get; set; }

    public required byte[] Wrapped { get; set; }
}

/// <summary>A key that replaces its predecessor at a scheduled time.</summary>
internal interface IScheduledKey
{
    /// <summary>When it becomes active.</summary>
    long SignsFromMs { get; }
}

/// <summary>A key that tokens are signed with, or were, or will be.</summary>
internal sealed class SigningKeyRow : IScheduledKey
{
    public required string KeyId { get; set; }

    /// <summary>The private key, PKCS #8, under a data key.</summary>
    public required byte[] Sealed { get; set; }

    /// <summary>From when on tokens are signed with it; it is announced before.</summary>
    public required long SignsFromMs { get; set; }
}

/// <summary>A CA or bundle-signing key.</summary>
internal sealed class TrustAnchorRow : IScheduledKey
{
    public required TrustAnchorUse Use { get; set; }

    public required string KeyId { get; set; }

    /// <summary>The private key (PKCS #8), or the CA with its key (PKCS #12), encrypted with a data key.</summary>
    public required byte[] Sealed { get; set; }

    /// <summary>When it becomes active. Before, it is announced.</summary>
    public required long SignsFromMs { get; set; }

    /// <summary>When it was revoked; null: not revoked.</summary>
    public long? RevokedAtMs { get; set; }

    /// <summary>Of a CA: the cross-certificate issued by its predecessor; empty: none.</summary>
    public byte[] Endorsement { get; set; } = [];

    public bool IsRevoked => RevokedAtMs is not null;
}

/// <summary>A secret under a data key.</summary>
internal sealed class SecretRow
{
    public required string Name { get; set; }

    public required byte[] Sealed { get; set; }
}

/// <summary>What a write did, for those who ask who did what and when. Append-only.</summary>
internal sealed class AuditRow
{
    public required long Revision { get; set; }

    /// <summary>The place within the revision, from 0.</summary>
    public required int Number { get; set; }

    public required long AtMs { get; set; }

    public required string Actor { get; set; }

    /// <summary>What was done, such as <c>policies.publish</c>.</summary>
    public required string Action { get; set; }

    /// <summary>To what.</summary>
    public required string Target { get; set; }

    /// <summary>The application whose sidecars have it; empty: those of all.</summary>
    public required string Application { get; set; }

    /// <summary>The tenant whose sidecars have it; empty: those of all.</summary>
    public required string Tenant { get; set; }

    /// <summary>As it was; null: it was not there.</summary>
    public string? Before { get; set; }

    /// <summary>As it is; null: it is not there any more.</summary>
    public string? After { get; set; }
}

/// <summary>How often somebody has failed to sign in to an account, of late and in a row.</summary>
internal sealed class AttemptRow
{
    /// <summary>The account; `?` and a number: names that are nobody's.</summary>
    public required string AccountId { get; set; }

    /// <summary>What was guessed at.</summary>
    public required string Authenticator { get; set; }

    /// <summary>Who failed; empty: all who are not known, together.</summary>
    public required string Source { get; set; }

    /// <summary>Of late: halved each hour.</summary>
    public int Failures { get; set; }

    /// <summary>Since the last success.</summary>
    public int InARow { get; set; }

    public long FailedAtMs { get; set; }

    /// <summary>Until when attempts are not looked at; 0: they are.</summary>
    public long LockedUntilMs { get; set; }
}

/// <summary>A browser in which somebody has signed in to an account.</summary>
internal sealed class KnownBrowserRow
{
    public required string AccountId { get; set; }

    /// <summary>Of the secret in its cookie.</summary>
    public required string SecretSha256 { get; set; }

    public required long SeenAtMs { get; set; }
}

/// <summary>Failed attempts to sign in to an account within a minute, for its owner to see.</summary>
internal sealed class FailedSignInRow
{
    public required string AccountId { get; set; }

    /// <summary>The beginning of the minute.</summary>
    public required long MinuteMs { get; set; }

    /// <summary>From where; empty: several addresses.</summary>
    public required string Address { get; set; }

    /// <summary>Why they failed.</summary>
    public required string Reason { get; set; }

    public required int Count { get; set; }
}

/// <summary>What is good once, and was used: an assertion, a proof. Kept until it is good no longer.</summary>
internal sealed class SpentTokenRow
{
    public required string KeySha256 { get; set; }

    public required long ExpiresAtMs { get; set; }
}

/// <summary>A link by which an account gets a new password, once.</summary>
internal sealed class ResetLinkRow
{
    public required string CodeSha256 { get; set; }

    public required string AccountId { get; set; }

    public required long ExpiresAtMs { get; set; }
}

/// <summary>A client that is yet to be told that a session ended.</summary>
internal sealed class LogoutNoticeRow
{
    public required string Id { get; set; }

    public required string ClientId { get; set; }

    public required string AccountId { get; set; }

    public required string SessionId { get; set; }

    public required long CreatedAtMs { get; set; }

    /// <summary>When somebody is to try (again).</summary>
    public required long DueAtMs { get; set; }

    public required int Attempts { get; set; }
}

/// <summary>A pod whose sidecar was removed: it is not let in again, by whatever name.</summary>
internal sealed class RemovedPodRow
{
    public required string Uid { get; set; }

    /// <summary>When it was removed, or last asked.</summary>
    public required long SeenAtMs { get; set; }
}
