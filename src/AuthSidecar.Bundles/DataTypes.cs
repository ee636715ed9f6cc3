namespace AuthSidecar.Bundles;

/// <summary>The data types that there are.</summary>
internal static class DataTypes
{
    /// <summary>In the order of their numbers.</summary>
    public static readonly IReadOnlyList<DataType> All = [PolicyData.Type, EntityData.Type, IssuerData.Type, RevocationData.Type,
        FactorData.Type, RiskData.Type, RouteData.Type];

    /// <summary>The type of a number on the wire; null: unknown.</summary>
    public static DataType? Find(int number) => number > 0 && number <= All.Count ? All[number - 1] : null;

    /// <summary>The type of a name; null: unknown.</summary>
    public static DataType? Find(string name) => All.FirstOrDefault(t => t.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
}
