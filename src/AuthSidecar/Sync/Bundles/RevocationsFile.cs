using AuthSidecar.Cedar;
using AuthSidecar.Tokens;

namespace AuthSidecar.Sync.Bundles;

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

        return new Revocations(
            file.Tokens.Select(t => new Revocations.Key(t.Issuer, t.Jti)),
            file.Sessions.Select(s => KeyValuePair.Create(new Revocations.Key(s.Issuer, s.Sid), s.NotBefore)),
            file.Subjects.Select(s => KeyValuePair.Create(new Revocations.Key(s.Issuer, s.Sub), s.NotBefore)));
    }
}

internal sealed record RevokedToken(string Issuer, string Jti);

/// <summary>All tokens of a session that were issued before a moment, in seconds since 1970.</summary>
internal sealed record RevokedSession(string Issuer, string Sid, long NotBefore);

/// <summary>All tokens of a subject that were issued before a moment, in seconds since 1970.</summary>
internal sealed record RevokedSubject(string Issuer, string Sub, long NotBefore);
