using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Snapshots;
using AuthSidecar.State;
using AuthSidecar.Telemetry;

namespace AuthSidecar.Sync.Stream;

/// <summary>Verifies the trust anchors that the control plane sends (its CAs and bundle-signing keys), and replaces the files of an
/// enrolled sidecar. Files provided by an operator are not changed; keys that they lack are logged.</summary>
internal sealed partial class TrustApplier(
    ControlPlaneOptions options, PinnedKeys keys, SourceHealth health, TimeProvider time, ILogger<TrustApplier> logger)
{
    private IReadOnlyList<string> _announced = [];
    private HashSet<string>? _pinned;
    private string _missing = "";

    /// <summary>The active key of the control plane; null: unknown.</summary>
    public string? SigningKeyId { get; private set; }

    /// <summary>The announced and active keys that are not pinned, separated by commas; empty: none.</summary>
    public string Missing => string.Join(", ", _announced.Where(k => !keys.Contains(k)));

    /// <summary>Whether the last trust anchors were rejected. They have to be requested again.</summary>
    public bool IsRefused { get; private set; }

    /// <summary>Applies trust anchors. A rejection is logged, counted and reported.</summary>
    /// <returns>Why they were rejected; null: they were applied, or rejected because of clock skew, which is reported for
    /// heartbeats.</returns>
    public string? Apply(Signed signed)
    {
        const string Subject = "trust anchors";
        var (refusal, isClock) = TryApply(signed);
        IsRefused = refusal is not null;
        if (IsRefused)
            SyncMetrics.NoteRefused("TrustAnchors");

        var reported = isClock ? null : refusal;
        if (health.Set(Subject, reported is null ? null : $"trust anchors rejected: {reported}") && reported is not null)
            Log.Refused(logger, reported);

        return reported;
    }

    /// <summary>Reloads the pinned keys if the file has changed, and logs missing keys.</summary>
    /// <returns>Whether other keys are pinned than at the previous call.</returns>
    /// <exception cref="InvalidDataException">The file is invalid, and no keys are in memory.</exception>
    public bool RefreshKeys()
    {
        const string Subject = "pinned keys";
        try
        {
            keys.Refresh();
            health.Set(Subject, null);
        }
        catch (Exception e) when (keys.Ids.Count > 0 && e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            if (health.Set(Subject, $"failed to reload the pinned keys, using the previous ones: {e.Message}"))
                Log.KeysNotReloaded(logger, e.Message);
        }

        var missing = Missing;
        if (missing != _missing && missing.Length > 0)
            Log.KeysMissing(logger, keys.Path, missing);

        var (before, now) = (_pinned, keys.Ids.ToHashSet(StringComparer.Ordinal));
        (_pinned, _missing) = (now, missing);
        if (before is null || before.SetEquals(now))
            return false;

        Log.KeysReplaced(logger, string.Join(", ", now));
        return true;
    }

    private (string? Refusal, bool IsClock) TryApply(Signed signed)
    {
        if (!keys.TryRead(signed, out TrustAnchors anchors))
            return (PinnedKeys.NotSigned, false);

        // Replayed older ones would undo a rotation.
        var ahead = anchors.CreatedAt is { } created ? time.GetUtcNow() - created.ToDateTimeOffset() : TimeSpan.MaxValue;
        if (ahead.Duration() > Clocks.Tolerance)
            return anchors.CreatedAt is null ? ("missing creation time", false) : (Clocks.Describe(ahead), true);

        if (Check(anchors) is { } fault)
            return (fault, false);

        if (options.Join is not null)
        {
            try
            {
                Replace(options.Ca, anchors.Ca);
                Replace(options.PinnedKeys, anchors.BundleKeys);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return ($"failed to write the trust anchors: {e.Message}", false);
            }

            keys.Refresh();
        }

        SigningKeyId = anchors.SigningKeyId;
        return (null, false);
    }

    /// <summary>Validates trust anchors before any file is replaced.</summary>
    /// <returns>What is wrong with them; null: nothing.</returns>
    private string? Check(TrustAnchors anchors)
    {
        try
        {
            var read = PinnedKeys.Read("bundle keys", Encoding.UTF8.GetBytes(anchors.BundleKeys));
            _announced = read.Keys;
            foreach (var key in read.Values)
                key.Dispose();

            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPem(anchors.Ca);
            return !_announced.Contains(anchors.SigningKeyId) ? $"the signing key `{anchors.SigningKeyId}` is not among the bundle keys"
                : authorities.Count == 0 ? "no CA certificate"
                : null;
        }
        catch (InvalidDataException e)
        {
            return e.Message;
        }
        catch (CryptographicException e)
        {
            return $"invalid CA certificate: {e.Message}";
        }
    }

    private static void Replace(string path, string content)
    {
        if (!File.Exists(path) || File.ReadAllText(path) != content)
            StateFolder.WriteSecret(path, content);
    }

    private static partial class Log
    {
        [LoggerMessage(42, LogLevel.Information, "pinned keys replaced, now: {KeyIds}", EventName = "PinnedKeysReplaced")]
        public static partial void KeysReplaced(ILogger logger, string keyIds);

        [LoggerMessage(43, LogLevel.Error, "trust anchors rejected, using the previous ones: {Error}", EventName = "TrustAnchorsRefused")]
        public static partial void Refused(ILogger logger, string error);

        [LoggerMessage(44, LogLevel.Warning,
            "`{File}` lacks bundle-signing keys of the control plane: {KeyIds}; replace it with the `bundle-keys.json` of its state folder "
                + "before they are used", EventName = "PinnedKeysMissing")]
        public static partial void KeysMissing(ILogger logger, string file, string keyIds);

        [LoggerMessage(45, LogLevel.Error, "failed to reload the pinned keys, using the previous ones: {Error}",
            EventName = "PinnedKeysReloadFailed")]
        public static partial void KeysNotReloaded(ILogger logger, string error);
    }
}
