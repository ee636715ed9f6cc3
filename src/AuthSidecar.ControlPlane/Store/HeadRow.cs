using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>The only row of its table: the newest revision. Whoever writes takes the next one first, and so is alone until the
/// end.</summary>
internal sealed class HeadRow
{
    public const int OnlyId = 1;

    public int Id { get; set; } = OnlyId;
    public long Revision { get; set; }

    /// <summary>The history that the store is in; 0: it has not begun.</summary>
    public long History { get; set; }

    /// <summary>The history of what a sidecar has proved that there was, and there is not: the store was put back. 0: nothing.</summary>
    public long LostHistory { get; set; }

    /// <summary>Its number.</summary>
    public long LostRevision { get; set; }

    /// <summary>The number of the newest revision that there was when that was first proved: what came later may be of either
    /// line.</summary>
    public long LostAt { get; set; }

    /// <summary>How many writes there were about what no sidecar decides from: who is enrolled. They have a count of their own, and no
    /// revision.</summary>
    public long Notes { get; set; }
}

internal sealed class HeadTable : IEntityTypeConfiguration<HeadRow>
{
    public void Configure(EntityTypeBuilder<HeadRow> builder)
    {
        builder.ToTable("head");
        builder.Property(h => h.Id).ValueGeneratedNever();
        builder.HasData(new HeadRow());
    }
}
