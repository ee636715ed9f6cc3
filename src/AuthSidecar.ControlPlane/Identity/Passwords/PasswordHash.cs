using NSec.Cryptography;

namespace AuthSidecar.ControlPlane.Identity.Passwords;

/// <summary>How passwords are hashed that are set from now on. What was hashed otherwise still verifies, and is hashed anew when it
/// does.</summary>
internal enum PasswordScheme
{
    /// <summary>Argon2id (RFC 9106), 19 MiB, two passes, one lane: the least that OWASP's Password Storage Cheat Sheet asks for.</summary>
    Argon2id,

    /// <summary>PBKDF2 with HMAC-SHA-512 and 220,000 iterations (OWASP as well), for where FIPS 140 leaves nothing else.</summary>
    Pbkdf2Sha512,
}

/// <summary>A hashed password as a PHC string: the scheme, its parameters, the id of the pepper, the salt and the hash.</summary>
/// <remarks>What is hashed is not the password but its HMAC under a pepper that is in no backup of the database: whoever has the hashes
/// alone cannot even begin to guess.</remarks>
internal sealed partial class PasswordHash
{
    private const int Argon2MemoryKib = 19 * 1024;
    private const int Argon2Passes = 2;
    private const int Pbkdf2Iterations = 220_000;
    private const int SaltBytes = 16;
    private const int HashBytes = 32;

    private readonly PasswordScheme _scheme;
    private readonly int _cost;
    private readonly int _memoryKib;
    private readonly byte[] _salt;
    private readonly byte[] _hash;

    private PasswordHash(PasswordScheme scheme, int memoryKib, int cost, string pepperId, byte[] salt, byte[] hash)
    {
        (_scheme, _memoryKib, _cost, PepperId, _salt, _hash) = (scheme, memoryKib, cost, pepperId, salt, hash);
    }

    /// <summary>Which pepper it takes.</summary>
    public string PepperId { get; }

    public static PasswordHash Create(string password, PasswordScheme scheme, string pepperId, byte[] pepper)
    {
        var salt = RandomNumberGenerator.GetBytes(SaltBytes);
        var (memory, cost) = scheme == PasswordScheme.Argon2id ? (Argon2MemoryKib, Argon2Passes) : (0, Pbkdf2Iterations);
        return new PasswordHash(scheme, memory, cost, pepperId, salt, Derive(scheme, memory, cost, password, pepper, salt));
    }

    /// <summary>Reads what <see cref="ToString"/> has written.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out PasswordHash? hash)
    {
        hash = null;
        if (Argon2Phc().Match(text) is { Success: true } argon2 && TryDecode(argon2, out var salt, out var bytes))
        {
            hash = new PasswordHash(PasswordScheme.Argon2id, Number(argon2, "m"), Number(argon2, "t"), argon2.Groups["keyid"].Value, salt,
                bytes);
        }
        else if (Pbkdf2Phc().Match(text) is { Success: true } pbkdf2 && TryDecode(pbkdf2, out salt, out bytes))
        {
            hash = new PasswordHash(PasswordScheme.Pbkdf2Sha512, 0, Number(pbkdf2, "i"), pbkdf2.Groups["keyid"].Value, salt, bytes);
        }

        return hash is not null;
    }

    public bool Verify(string password, byte[] pepper) =>
        CryptographicOperations.FixedTimeEquals(Derive(_scheme, _memoryKib, _cost, password, pepper, _salt), _hash);

    /// <summary>Whether it is as a new one would be.</summary>
    public bool IsCurrent(PasswordScheme scheme, string pepperId) =>
        _scheme == scheme && PepperId == pepperId
            && (scheme == PasswordScheme.Argon2id ? (_memoryKib, _cost) == (Argon2MemoryKib, Argon2Passes) : _cost == Pbkdf2Iterations);

    public override string ToString()
    {
        var parameters = _scheme == PasswordScheme.Argon2id
            ? string.Create(CultureInfo.InvariantCulture, $"argon2id$v=19$m={_memoryKib},t={_cost},p=1")
            : string.Create(CultureInfo.InvariantCulture, $"pbkdf2-sha512$i={_cost}");
        return $"${parameters},keyid={PepperId}${Encode(_salt)}${Encode(_hash)}";
    }

    private static byte[] Derive(PasswordScheme scheme, int memoryKib, int cost, string password, byte[] pepper, byte[] salt)
    {
        var peppered = HMACSHA256.HashData(pepper, Encoding.UTF8.GetBytes(password));
        return scheme == PasswordScheme.Argon2id
            ? PasswordBasedKeyDerivationAlgorithm.Argon2id(new Argon2Parameters
            {
                DegreeOfParallelism = 1,
                MemorySize = memoryKib,
                NumberOfPasses = cost,
            }).DeriveBytes(peppered, salt, HashBytes)
            : Rfc2898DeriveBytes.Pbkdf2(peppered, salt, cost, HashAlgorithmName.SHA512, HashBytes);
    }

    // PHC writes base64 without padding.
    private static string Encode(byte[] bytes) => Convert.ToBase64String(bytes).TrimEnd('=');

    private static bool TryDecode(Match match, out byte[] salt, out byte[] hash)
    {
        salt = Convert.FromBase64String(match.Groups["salt"].Value + "==");
        hash = Convert.FromBase64String(match.Groups["hash"].Value + "=");
        return salt.Length == SaltBytes && hash.Length == HashBytes;
    }

    private static int Number(Match match, string group) => int.Parse(
        match.Groups[group].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\$argon2id\$v=19\$m=(?<m>[0-9]{1,7}),t=(?<t>[0-9]{1,2}),p=1,"
        + @"keyid=(?<keyid>[0-9]{1,9})\$(?<salt>[A-Za-z0-9+/]{22})\$(?<hash>[A-Za-z0-9+/]{43})$", RegexOptions.CultureInvariant)]
    private static partial Regex Argon2Phc();

    [GeneratedRegex(@"^\$pbkdf2-sha512\$i=(?<i>[0-9]{1,8}),"
        + @"keyid=(?<keyid>[0-9]{1,9})\$(?<salt>[A-Za-z0-9+/]{22})\$(?<hash>[A-Za-z0-9+/]{43})$", RegexOptions.CultureInvariant)]
    private static partial Regex Pbkdf2Phc();
}
