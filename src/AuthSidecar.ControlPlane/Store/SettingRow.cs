namespace AuthSidecar.ControlPlane.Store;

/// <summary>What all nodes have to agree on, by its name.</summary>
[Table("settings")]
[PrimaryKey(nameof(Name))]
internal sealed class SettingRow
{
    public required string Name { get; set; }
    public required string Value { get; set; }
}
