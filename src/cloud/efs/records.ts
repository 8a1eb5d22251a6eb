export interface Tag {
  readonly Key: string;
  readonly Value: string;
}

export interface FileSystemRecord {
  readonly fileSystemId: string;
  readonly creationToken: string;
  readonly createdAtMs: number;
  readonly encrypted: boolean;
  readonly performanceMode: "generalPurpose" | "maxIO";
  readonly throughputMode: "bursting" | "elastic" | "provisioned";
  readonly provisionedMibps?: number;
  readonly availabilityZoneName?: string;
  tags: Tag[];
  /** JSON as it was put. */
  policy?: string;
}

export interface MountTargetRecord {
  readonly mountTargetId: string;
  readonly fileSystemId: string;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly availabilityZone: string;
  readonly availabilityZoneId: string;
  readonly address: string;
  readonly networkInterfaceId: string;
}

export interface AccessPointRecord {
  readonly accessPointId: string;
  readonly fileSystemId: string;
  readonly clientToken: string;
  readonly createdAtMs: number;
  readonly posixUser?: {
    readonly uid: number;
    readonly gid: number;
    readonly secondaryGids: readonly number[];
  };
  /** "/" or "/a/b". */
  readonly path: string;
  readonly creation?: {
    readonly ownerUid: number;
    readonly ownerGid: number;
    readonly permissions: string;
  };
  tags: Tag[];
}
