using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Revocations;

/// <summary>Revocations as rows, and back; a row has the entry of `revocations.json` (docs/bundle.md).</summary>
internal static class RevocationRecords
{
    /// <summary>As long as a session lives, and no token of it outlives it.</summary>
    public static readonly TimeSpan DefaultLifetime = TimeSpan.FromHours(8);

    public static EntryKey KeyOf(Revocation revocation, string application)
    {
        var (list, _, id) = TargetOf(revocation);
        return new EntryKey(DataType.Revocations, RevocationData.KeyOf(list, revocation.Issuer, id), new Placement(application, ""));
    }

    public static string ToJson(Revocation revocation)
    {
        var (_, member, id) = TargetOf(revocation);
        var entry = new JsonObject { ["issuer"] = revocation.Issuer, [member] = id, ["expires"] = revocation.ExpiresAt.Seconds + 1 };
        if (member != "jti")
            entry["notBefore"] = revocation.NotBefore.Seconds;

        return entry.ToJsonString();
    }

    public static Revocation Read(EntryRow row)
    {
        var revocation = Parse(RevocationData.ListOf(row.Key), JsonNode.Parse(row.Json)!.AsObject());
        revocation.ExpiresAt = row.ExpiresAtMs is { } expires
            ? Timestamp.FromDateTimeOffset(DateTimeOffset.FromUnixTimeMilliseconds(expires)) : null;
        return revocation;
    }

    /// <summary>Reads an entry of one of the lists of `revocations.json`.</summary>
    public static Revocation Parse(string list, JsonObject entry)
    {
        var revocation = new Revocation
        {
            Issuer = (string)entry["issuer"]!,
            NotBefore = (long?)entry["notBefore"] is { } notBefore ? new Timestamp { Seconds = notBefore } : null,
            ExpiresAt = (long?)entry["expires"] is { } expires ? new Timestamp { Seconds = expires } : null,
        };
        switch (list)
        {
            case "tokens": revocation.TokenId = (string)entry["jti"]!; break;
            case "sessions": revocation.SessionId = (string)entry["sid"]!; break;
            case "subjects": revocation.Subject = (string)entry["sub"]!; break;
        }

        return revocation;
    }

    /// <summary>Fills in what a revocation does not say, and sees to it that what is revoked already stays so, at least as far and as
    /// long.</summary>
    /// <param name="before">The one of the same that there is; null: none.</param>
    /// <param name="now">Now.</param>
    /// <param name="lifetime">How long it is kept where it does not say.</param>
    public static void Extend(Revocation revocation, Revocation? before, DateTimeOffset now, TimeSpan lifetime)
    {
        // In whole seconds, as `iat` is: what was issued within this one is revoked as well.
        revocation.NotBefore = Later(before?.NotBefore, revocation.NotBefore ?? new Timestamp { Seconds = now.ToUnixTimeSeconds() });
        revocation.ExpiresAt = Later(
            before?.ExpiresAt, revocation.ExpiresAt ?? before?.ExpiresAt ?? Timestamp.FromDateTimeOffset(now + lifetime));
    }

    /// <summary>Such as `session`.</summary>
    public static string WhatOf(Revocation revocation) => TargetOf(revocation).List[..^1];

    /// <summary>As tokens are held against it.</summary>
    public static KeyValuePair<Tokens.Revocations.Key, Tokens.Revocations.Extent> ToEntry(EntryRow row)
    {
        var revocation = Read(row);
        var (target, id) = revocation.TargetCase switch
        {
            Revocation.TargetOneofCase.TokenId => (Tokens.Revocations.Target.Token, revocation.TokenId),
            Revocation.TargetOneofCase.SessionId => (Tokens.Revocations.Target.Session, revocation.SessionId),
            _ => (Tokens.Revocations.Target.Subject, revocation.Subject),
        };
        return KeyValuePair.Create(
            new Tokens.Revocations.Key(target, revocation.Issuer, id),
            new Tokens.Revocations.Extent(
                revocation.NotBefore?.Seconds ?? long.MaxValue, revocation.ExpiresAt?.Seconds + 1 ?? long.MaxValue));
    }

    private static Timestamp Later(Timestamp? a, Timestamp b) => a is null || a.CompareTo(b) < 0 ? b : a;

    private static (string List, string Member, string Id) TargetOf(Revocation revocation) => revocation.TargetCase switch
    {
        Revocation.TargetOneofCase.TokenId => ("tokens", "jti", revocation.TokenId),
        Revocation.TargetOneofCase.SessionId => ("sessions", "sid", revocation.SessionId),
        Revocation.TargetOneofCase.Subject => ("subjects", "sub", revocation.Subject),
        _ => throw new ArgumentException("revocation without a target", nameof(revocation)),
    };
}
