namespace AuthSidecar.Cedar;

/// <summary>Uids as text.</summary>
public static class EntityUidExtensions
{
    extension(EntityUid)
    {
        /// <summary>Reads a uid in Cedar syntax, such as <c>User::"alice"</c>.</summary>
        /// <returns>False with a fault that says what is wrong and where.</returns>
        public static bool TryParse(string text, [NotNullWhen(true)] out EntityUid? uid, [NotNullWhen(false)] out Fault? fault) =>
            Parser.TryParseEntityUid(text, out uid, out fault);
    }
}
