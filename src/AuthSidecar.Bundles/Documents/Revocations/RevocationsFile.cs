using AuthSidecar.Cedar;
using AuthSidecar.Tokens;

namespace AuthSidecar.Bundles;

/// <summary><c>revocations.json</c>.</summary>
internal sealed record RevocationsFile
{
    public const string FileName = "revocations.json";

    public IReadOnlyList<RevokedToken> Tokens { get; set; } = [];

    public IReadOnlyList<RevokedSession> Sessions { get; set; } = [];

    public IReadOnlyList<RevokedSubject> Subjects { get; set; } = [];

    public static Revocations Read(BundleFiles files, List<Fault> faults)
    {
        if (!files.TryRead(FileName, out var utf8) || JsonFile.Read<RevocationsFile>(FileName, utf8, faults) is not { } file)
        {
            return Revocations.None;
        }

        var entries = file.Tokens.Select(t => (t.Issuer, Id: t.Jti)).Concat(file.Sessions.Select(s => (s.Issuer, Id: s.Sid))).Concat(file.Subjects.Select(s => (s.Issuer, Id: s.Sub)));
        if (entries.Any(e => e.Issuer.Length == 0 || e.Id.Length == 0))
        {
            faults.Add(new Fault(FileName, 0, 0, "invalid revocation: empty `issuer`, `jti`, `sid` or `sub`"));
        }

        return new Revocations(
        [
            .. file.Tokens.Select(t => Entry(Revocations.Target.Token, t.Issuer, t.Jti, long.MaxValue, t.Expires)),
            .. file.Sessions.Select(s => Entry(Revocations.Target.Session, s.Issuer, s.Sid, s.NotBefore, s.Expires)),
            .. file.Subjects.Select(s => Entry(Revocations.Target.Subject, s.Issuer, s.Sub, s.NotBefore, s.Expires)),
        ]);

        static KeyValuePair<Revocations.Key, Revocations.Extent> Entry(Revocations.Target target, string issuer, string id, long notBefore, long? expires) =>
            new(new(target, issuer, id), new(notBefore, expires ?? long.MaxValue));
    }
}

/// <summary>A token. Whatever <c>expires</c>, in seconds since 1970, is when there is nothing left to revoke; absent: never.</summary>
internal sealed record RevokedToken(string Issuer, string Jti, long? Expires = null);

/// <summary>All tokens of a session that were issued in a second, or before it, in seconds since 1970.</summary>
internal sealed record RevokedSession(string Issuer, string Sid, long NotBefore, long? Expires = null);

/// <summary>All tokens of a subject that were issued in a second, or before it, in seconds since 1970.</summary>
internal sealed record RevokedSubject(string Issuer, string Sub, long NotBefore, long? Expires = null);
