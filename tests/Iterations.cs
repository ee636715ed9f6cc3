using System.Globalization;

namespace AuthSidecar;

/// <summary>How often a property is tried: AUTHSIDECAR_TEST_FACTOR times as often as usual, for the long runs of a night.</summary>
internal static class Iterations
{
    private static readonly double Factor =
        Environment.GetEnvironmentVariable("AUTHSIDECAR_TEST_FACTOR") is { Length: > 0 } factor ? double.Parse(factor, CultureInfo.InvariantCulture) : 1;

    public static int Of(int usual) => (int)Math.Max(1, usual * Factor);
}
