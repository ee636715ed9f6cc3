using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Hosting;

namespace AuthSidecar.Sync.Stream;

/// <summary>
/// Verifies what the control plane says is to be trusted from now on, and keeps it: in the files of a sidecar that enrolled. Files that an operator
/// provides are the operator's; what they lack is reported.
/// </summary>
internal sealed class TrustApplier(ControlPlaneOptions options, PinnedKeys keys, TimeProvider time)
{
    private IReadOnlyList<string> _announced = [];

    /// <summary>The key that the control plane signs with now; null: it has not said.</summary>
    public string? SigningKeyId { get; private set; }

    /// <summary>The keys of the control plane that are not pinned here, separated by commas; empty: none is missing.</summary>
    public string Missing => string.Join(", ", _announced.Where(k => !keys.Contains(k)));

    /// <summary>Whether the last ones were refused: they are to be asked for again.</summary>
    public bool IsRefused { get; private set; }

    /// <summary>Applies trust anchors.</summary>
    /// <returns>Why they do not count; null: they do, or the clock of this machine is wrong, of which heartbeats tell.</returns>
    public string? Apply(Signed signed)
    {
        var (refusal, isClock) = TryApply(signed);
        IsRefused = refusal is not null;
        return isClock ? null : refusal;
    }

    private (string? Refusal, bool IsClock) TryApply(Signed signed)
    {
        if (!keys.TryRead(signed, out TrustAnchors anchors))
        {
            return ("invalid signature: not signed by a pinned key", false);
        }

        // Older ones, sent again, would undo a rotation.
        var ahead = anchors.CreatedAt is { } created ? time.GetUtcNow() - created.ToDateTimeOffset() : TimeSpan.MaxValue;
        if (ahead.Duration() > Clocks.Tolerance)
        {
            return anchors.CreatedAt is null ? ("missing creation time", false) : (Clocks.Describe(ahead), true);
        }

        if (Check(anchors) is { } fault)
        {
            return (fault, false);
        }

        if (options.Join is not null)
        {
            try
            {
                Replace(options.Ca, anchors.Ca);
                Replace(options.PinnedKeys, anchors.BundleKeys);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return ($"failed to write them: {e.Message}", false);
            }

            keys.Refresh();
        }

        SigningKeyId = anchors.SigningKeyId;
        return (null, false);
    }

    /// <summary>What is wrong with them, before anything is replaced by them; null: nothing.</summary>
    private string? Check(TrustAnchors anchors)
    {
        try
        {
            var read = PinnedKeys.Read("bundle keys", Encoding.UTF8.GetBytes(anchors.BundleKeys));
            _announced = read.Keys;
            foreach (var key in read.Values)
            {
                key.Dispose();
            }

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
        {
            StateFolder.WriteSecret(path, content);
        }
    }
}
