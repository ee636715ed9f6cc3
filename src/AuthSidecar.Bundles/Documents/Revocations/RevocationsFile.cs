namespace AuthSidecar.Bundles;

/// <summary><c>revocations.json</c>.</summary>
internal sealed record RevocationsFile
{
    public const string FileName = "revocations.json";

    /// <summary>The end of the year 9999: whatever is beyond is milliseconds.</summary>
    private const long MaxSeconds = 253_402_300_799;

    private static readonly StrictJsonFiles Json = new(RevocationsJson.Default);

    public IReadOnlyList<RevokedToken> Tokens { get; set; } = [];
    public IReadOnlyList<RevokedSession> Sessions { get; set; } = [];
    public IReadOnlyList<RevokedSubject> Subjects { get; set; } = [];

    public static Revocations Read(BundleFiles files, List<Fault> faults)
    {
        if (!files.TryRead(FileName, out var utf8) || Json.Read<RevocationsFile>(FileName, utf8, faults) is not { } file)
            return Revocations.None;

        Check("tokens", file.Tokens.Select(t => (t.Issuer, "jti", t.Jti, 0L, t.Expires)), faults);
        Check("sessions", file.Sessions.Select(s => (s.Issuer, "sid", s.Sid, s.NotBefore, s.Expires)), faults);
        Check("subjects", file.Subjects.Select(s => (s.Issuer, "sub", s.Sub, s.NotBefore, s.Expires)), faults);

        return new Revocations(
        [
            .. file.Tokens.Select(t => Entry(Revocations.Target.Token, t.Issuer, t.Jti, long.MaxValue, t.Expires)),
            .. file.Sessions.Select(s => Entry(Revocations.Target.Session, s.Issuer, s.Sid, s.NotBefore, s.Expires)),
            .. file.Subjects.Select(s => Entry(Revocations.Target.Subject, s.Issuer, s.Sub, s.NotBefore, s.Expires)),
        ]);

        static KeyValuePair<Revocations.Key, Revocations.Extent> Entry(
            Revocations.Target target, string issuer, string id, long notBefore, long? expires) =>
            new(new(target, issuer, id), new(notBefore, expires ?? long.MaxValue));
    }

    private static void Check(
        string list, IEnumerable<(string Issuer, string Member, string Id, long NotBefore, long? Expires)> entries, List<Fault> faults)
    {
        foreach (var (entry, index) in entries.Select((e, i) => (e, i)))
        {
            if (entry.Issuer.Length == 0 || entry.Id.Length == 0)
                Fail(index, $"empty `{(entry.Issuer.Length == 0 ? "issuer" : entry.Member)}`");

            InRange(index, "notBefore", entry.NotBefore);
            InRange(index, "expires", entry.Expires ?? 0);
        }

        void InRange(int index, string member, long seconds)
        {
            if (seconds is < 0 or > MaxSeconds)
                Fail(index, $"`{member}` is {seconds}: expected seconds since 1970, 0 to {MaxSeconds}");
        }

        void Fail(int index, string what) => faults.Add(new Fault(FileName, 0, 0, $"invalid revocation `{list}[{index}]`: {what}"));
    }
}

[JsonSerializable(typeof(RevocationsFile))]
internal sealed partial class RevocationsJson : JsonSerializerContext;

/// <summary>A token. Whatever <c>expires</c>, in seconds since 1970, is when there is nothing left to revoke; absent: never.</summary>
internal sealed record RevokedToken(string Issuer, string Jti, long? Expires = null);

/// <summary>All tokens of a session that were issued in a second, or before it, in seconds since 1970.</summary>
internal sealed record RevokedSession(string Issuer, string Sid, long NotBefore, long? Expires = null);

/// <summary>All tokens of a subject that were issued in a second, or before it, in seconds since 1970.</summary>
internal sealed record RevokedSubject(string Issuer, string Sub, long NotBefore, long? Expires = null);
