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

    public static Revocations Build(byte[] utf8, List<Fault> faults)
    {
        if (JsonFile.Read<RevocationsFile>(FileName, utf8, faults) is not { } file)
        {
            return Revocations.None;
        }

        return new Revocations(
            file.Tokens.Select(t => new Revocations.Key(t.Issuer, t.Jti)),
            LatestOf(file.Sessions.Select(s => (new Revocations.Key(s.Issuer, s.Sid), s.NotBefore))),
            LatestOf(file.Subjects.Select(s => (new Revocations.Key(s.Issuer, s.Sub), s.NotBefore))));
    }

    private static IEnumerable<KeyValuePair<Revocations.Key, long>> LatestOf(IEnumerable<(Revocations.Key Key, long NotBefore)> entries) =>
        entries.GroupBy(e => e.Key).Select(g => KeyValuePair.Create(g.Key, g.Max(e => e.NotBefore)));
}

internal sealed record RevokedToken(string Issuer, string Jti);

/// <summary>All tokens of a session that were issued before a moment, in seconds since 1970.</summary>
internal sealed record RevokedSession(string Issuer, string Sid, long NotBefore);

/// <summary>All tokens of a subject that were issued before a moment, in seconds since 1970.</summary>
internal sealed record RevokedSubject(string Issuer, string Sub, long NotBefore);
