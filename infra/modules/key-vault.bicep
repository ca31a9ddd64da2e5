metadata description = 'A vault for the one secret of those whose hub takes no identity: its connection string.'

@description('Name of the vault.')
@minLength(3)
@maxLength(24)
param name string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('The identity of the app.')
param principalId string

@description('The connection string.')
@secure()
param eventHubConnectionString string

@description('Whether it is reachable through private endpoints only.')
param isPrivate bool

@description('The workspace that gets audit logs.')
param workspaceId string

var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

var publicNetworkAccess = isPrivate ? 'Disabled' : 'Enabled'

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  // checkov:skip=CKV_AZURE_109: Without a virtual network there are no addresses to allow; the vault asks for a role, and privateNetworking closes it.
  // checkov:skip=CKV_AZURE_189: As above: privateNetworking closes it.
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: publicNetworkAccess
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: isPrivate ? 'Deny' : 'Allow'
    }
  }
}

resource secret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  // checkov:skip=CKV_AZURE_41: A date would stop the stream; docs/deployment.md says how the key is rotated.
  parent: vault
  name: 'eventhub-connection-string'
  properties: {
    value: eventHubConnectionString
    contentType: 'Event Hubs connection string with the Send claim only'
    attributes: {
      enabled: true
    }
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(secret.id, principalId, keyVaultSecretsUser)
  scope: secret
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        categoryGroup: 'audit'
        enabled: true
      }
    ]
  }
}
